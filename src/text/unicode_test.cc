// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <gtest/gtest.h>

#include <vector>

namespace rotor {
namespace {

constexpr char32_t kEnd = 0x110000;

bool is_surrogate(char32_t c) { return c >= 0xD800 && c < 0xE000; }

TEST(Utf8, EveryScalarValueRoundTrips) {
  for (char32_t c = 0; c < kEnd; ++c) {
    if (is_surrogate(c)) {
      continue;
    }
    std::string bytes;
    append_utf8(c, bytes);
    const Utf8Char decoded = decode_utf8(bytes, 0);
    ASSERT_TRUE(decoded.valid) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.length, bytes.size());
    for (size_t size = 1; size < bytes.size(); ++size) {
      const Utf8Char cut = decode_utf8(std::string_view(bytes).substr(0, size), 0);
      ASSERT_FALSE(cut.valid);
      ASSERT_TRUE(cut.truncated);
      ASSERT_EQ(cut.length, size);
    }
  }
}

// Of the 2^16 two-byte strings, those that start with a whole character of UTF-8 are known by
// count.
TEST(Utf8, TwoByteStrings) {
  int ascii = 0;
  int pairs = 0;
  int truncated = 0;
  for (uint32_t value = 0; value < 0x10000; ++value) {
    const std::string bytes = {static_cast<char>(value >> 8), static_cast<char>(value)};
    const Utf8Char c = decode_utf8(bytes, 0);
    ascii += c.valid && c.length == 1;
    pairs += c.valid && c.length == 2;
    truncated += c.truncated;
    ASSERT_GE(c.length, 1u);
    ASSERT_LE(c.length, 2u);
  }
  EXPECT_EQ(ascii, 128 * 256);
  EXPECT_EQ(pairs, 30 * 64);                   // C2..DF
  EXPECT_EQ(truncated, 14 * 64 + 2 * 32 +      // E0 and ED have half the second bytes
                           3 * 64 + 48 + 16);  // F1..F3, F0, F4
}

// The examples of the Unicode Standard, tables 3-8 to 3-11: lengths of the maximal subparts.
TEST(Utf8, MaximalSubparts) {
  const auto lengths = [](std::string_view text) {
    std::vector<uint32_t> list;
    for (size_t at = 0; at < text.size(); at += list.back()) {
      list.push_back(decode_utf8(text, at).length);
    }
    return list;
  };
  using Lengths = std::vector<uint32_t>;
  EXPECT_EQ(lengths("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), Lengths(9, 1));
  EXPECT_EQ(lengths("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), Lengths(9, 1));
  EXPECT_EQ(lengths("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), Lengths(9, 1));
  EXPECT_EQ(lengths("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), (Lengths{2, 1, 3, 2, 1}));
}

TEST(Utf8, ValidPrefix) {
  EXPECT_EQ(valid_utf8_prefix(""), 0u);
  EXPECT_EQ(valid_utf8_prefix("a\xC3\xA9"), 3u);
  EXPECT_EQ(valid_utf8_prefix("a\xC3"), 1u);
  EXPECT_EQ(valid_utf8_prefix("\xFF"
                              "a"),
            0u);
}

TEST(Utf8, LastCharacter) {
  EXPECT_EQ(last_character("a"), 0u);
  EXPECT_EQ(last_character("ab"), 1u);
  EXPECT_EQ(last_character("a\u4E00"), 1u);
  EXPECT_EQ(last_character("a\U0001F600"), 1u);
  EXPECT_EQ(last_character("a\x80\x80"), 2u);
  EXPECT_EQ(last_character("\x80\x80\x80\x80\x80"), 4u);
}

TEST(WordCharacter, Examples) {
  for (const char32_t c : {U'a', U'5', U'_', U'\u0301', U'\u2160', U'\u24B6', U'\u4E00', U'\u200D'}) {
    EXPECT_TRUE(is_word_character(c)) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U' ', U'-', U'\u00B2', U'\u00BD', U'\u2581', U'\uFFFD', U'\U0001F600'}) {
    EXPECT_FALSE(is_word_character(c)) << static_cast<uint32_t>(c);
  }
}

TEST(CharClass, Examples) {
  for (const char32_t c : {U'a', U'Z', U'\u00AA', U'\u01C5', U'\u02B0', U'\u05D0', U'\u4E00',
                           U'\U0002EBE0', U'\U00011DBA'}) {
    EXPECT_EQ(char_class(c), CharClass::kLetter) << static_cast<uint32_t>(c);
  }
  for (const char32_t c :
       {U'0', U'\u00B2', U'\u00BD', U'\u0664', U'\u2160', U'\u3007', U'\U000116D5'}) {
    EXPECT_EQ(char_class(c), CharClass::kNumber) << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {U'_', U'\u0301', U'\u094D', U'\u200B', U'\u180E', U'\uFEFF', U'\uFFFD',
                           U'\uE000', U'\U0001F600', U'\U0010FFFF', U'\0', U'\x1C'}) {
    EXPECT_EQ(char_class(c), CharClass::kOther) << static_cast<uint32_t>(c);
  }
  EXPECT_EQ(char_class('\n'), CharClass::kNewline);
  EXPECT_EQ(char_class('\r'), CharClass::kNewline);
  EXPECT_EQ(char_class(0x110000), CharClass::kOther);
}

// DerivedGeneralCategory.txt and PropList.txt of Unicode 17.0 give these totals.
TEST(CharClass, Totals) {
  std::vector<int> count(5);
  for (char32_t c = 0; c < kEnd; ++c) {
    ++count[static_cast<size_t>(char_class(c))];
  }
  EXPECT_EQ(count[static_cast<size_t>(CharClass::kLetter)], 145672);
  EXPECT_EQ(count[static_cast<size_t>(CharClass::kNumber)], 1924);
  EXPECT_EQ(count[static_cast<size_t>(CharClass::kSpace)], 23);
  EXPECT_EQ(count[static_cast<size_t>(CharClass::kNewline)], 2);
}

TEST(Printable, EscapesAllThatIsNotPrintableAscii) {
  EXPECT_EQ(printable("a\"\\\n\t\xC3\xA9"), "\"a\\\"\\\\\\n\\x09\\xc3\\xa9\"");
  EXPECT_EQ(printable("abcdef", 3), "\"abc...\"");
  EXPECT_EQ(printable(""), "\"\"");
}

}  // namespace
}  // namespace rotor
