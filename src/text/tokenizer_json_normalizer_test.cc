// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/normalizer.h"

namespace rotor {
namespace {

using testing::HasSubstr;

Result<std::string> normalize_with(const std::string& value, std::string_view text) {
  TokenizerSpec spec;
  spec.source = "t";
  const auto document = JsonDocument::parse(R"({"normalizer":)" + value + "}", "t");
  EXPECT_TRUE(document.ok()) << document.status().message() << value;
  ROTOR_TRY(read_json_normalizer(document->root(), spec));
  return normalize_by_steps(text, spec.normalizers);
}

TEST(JsonNormalizer, EveryKind) {
  EXPECT_EQ(*normalize_with("null", "a"), "a");
  EXPECT_EQ(*normalize_with(R"({"type":"NFC"})", "e\u0301"), "\u00e9");
  EXPECT_EQ(*normalize_with(R"({"type":"NFD"})", "\u00e9"), "e\u0301");
  EXPECT_EQ(*normalize_with(R"({"type":"NFKC"})", "\uff21\u0301"), "\u00c1");
  EXPECT_EQ(*normalize_with(R"({"type":"NFKD"})", "\ufb01"), "fi");
  EXPECT_EQ(*normalize_with(R"({"type":"Lowercase"})", "A\u0130\u03a3"), "ai\u0307\u03c3");
  EXPECT_EQ(*normalize_with(R"({"type":"StripAccents"})", "e\u0301"), "e");
  EXPECT_EQ(*normalize_with(R"({"type":"Strip","strip_left":true,"strip_right":false})", " a "),
            "a ");
  EXPECT_EQ(*normalize_with(R"({"type":"Strip"})", "\u3000a\n"), "a");
  EXPECT_EQ(*normalize_with(R"({"type":"Replace","pattern":{"String":" "},"content":"_"})", "a  b"),
            "a__b");
  EXPECT_EQ(
      *normalize_with(R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":"_"})", "a b   c"),
      "a b_c");
  EXPECT_EQ(*normalize_with(R"({"type":"Prepend","prepend":"_"})", "a"), "_a");
  EXPECT_EQ(*normalize_with(R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},
                               {"type":"Lowercase"}]})",
                            "A"),
            "_a");
}

TEST(JsonNormalizer, OthersAreRefusedByName) {
  const auto error = [](const std::string& value) {
    return normalize_with(value, "").status().message();
  };
  for (const char* kind : {"BertNormalizer", "Precompiled", "Nmt", "ByteLevel", "Sequence2"}) {
    EXPECT_THAT(error(R"({"type":")" + std::string(kind) + "\"}"),
                HasSubstr("t: normalizer: unsupported kind \"" + std::string(kind) +
                          "\"; expected NFC, NFD"));
  }
  EXPECT_THAT(error(R"({"type":"Replace","pattern":{"Regex":"a+"},"content":""})"),
              HasSubstr("normalizer.pattern: unsupported Regex \"a+\""));
  EXPECT_THAT(error(R"({"type":"Replace","pattern":{"String":""},"content":""})"),
              HasSubstr("expected a text that is not empty"));
  EXPECT_THAT(error(R"({"type":"Replace"})"), HasSubstr("expected a \"pattern\""));
}

}  // namespace
}  // namespace rotor
