// SPDX-License-Identifier: Apache-2.0
#include "text/unicode_normalization.h"

#include <gtest/gtest.h>
#include <utf8proc.h>

#include <random>

#include "text/unicode.h"

namespace rotor {
namespace {

std::string normalize_nfc(std::string_view text) { return normalize(text, NormalForm::kNfc); }

TEST(Nfc, Examples) {
  EXPECT_EQ(normalize_nfc(""), "");
  EXPECT_EQ(normalize_nfc("plain"), "plain");
  EXPECT_EQ(normalize_nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(normalize_nfc("\u212B"), "\u00C5");              // Angstrom sign
  EXPECT_EQ(normalize_nfc("\u1100\u1161\u11A8"), "\uAC01");  // Hangul
  EXPECT_EQ(normalize_nfc("\u0958"), "\u0915\u093C");        // excluded from composition
  EXPECT_EQ(normalize_nfc("\uFB01"), "\uFB01");              // compatibility only
  EXPECT_EQ(normalize_nfc("a\u0315\u0300\u05AE\u0300"), "\u00E0\u05AE\u0300\u0315");
  EXPECT_EQ(normalize_nfc(std::string("a\0b", 3)), std::string("a\0b", 3));
}

TEST(Nfc, BrokenBytesStay) {
  EXPECT_EQ(normalize_nfc("e\u0301\xFF"
                          "e\u0301\xE1\x80"),
            "\u00E9\xFF\u00E9\xE1\x80");
}

TEST(NormalForms, Examples) {
  const std::string text = "\u00E9\uFB01\u2460\uAC01";
  EXPECT_EQ(normalize(text, NormalForm::kNfd), "e\u0301\uFB01\u2460\u1100\u1161\u11A8");
  EXPECT_EQ(normalize(text, NormalForm::kNfkc), "\u00E9fi1\uAC01");
  EXPECT_EQ(normalize(text, NormalForm::kNfkd), "e\u0301fi1\u1100\u1161\u11A8");
  // The longest decomposition there is.
  EXPECT_EQ(normalize("\uFDFA", NormalForm::kNfkc).size(), 33u);
}

TEST(NormalForms, EqualTheLibraryOnRandomText) {
  std::mt19937 random(1);
  const char32_t pool[] = {'a',    'e',    0x301,  0x300,   0x315, 0x5AE, 0x327,
                           0x1100, 0x1161, 0x11A8, 0x915,   0x93C, 0x958, 0x212B,
                           0x1E9B, 0x323,  0x4E00, 0x2F800, ' ',   0xFB01, 0x2460, 0xFDFA, 0xFF21};
  const struct {
    NormalForm form;
    utf8proc_uint8_t* (*function)(const utf8proc_uint8_t*);
  } forms[] = {{NormalForm::kNfc, utf8proc_NFC},
               {NormalForm::kNfd, utf8proc_NFD},
               {NormalForm::kNfkc, utf8proc_NFKC},
               {NormalForm::kNfkd, utf8proc_NFKD}};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint32_t i = random() % 12; i > 0; --i) {
      append_utf8(pool[random() % std::size(pool)], text);
    }
    for (const auto& [form, function] : forms) {
      utf8proc_uint8_t* expected =
          function(reinterpret_cast<const utf8proc_uint8_t*>(text.c_str()));
      ASSERT_EQ(normalize(text, form), reinterpret_cast<const char*>(expected));
      free(expected);
    }
  }
}

// utf8proc's own ordering would exchange neighbours 10^11 times here.
TEST(Nfc, LongRunsOfMarksAreLinear) {
  std::string text = "a";
  for (int i = 0; i < 500'000; ++i) {
    text += i % 2 == 0 ? "\u0315" : "\u0300";
  }
  const std::string normal = normalize_nfc(text);
  EXPECT_TRUE(normal.starts_with("\u00E0\u0300"));
  EXPECT_TRUE(normal.ends_with("\u0315"));
  EXPECT_EQ(normal.size(), text.size() - 1);
}

}  // namespace
}  // namespace rotor
