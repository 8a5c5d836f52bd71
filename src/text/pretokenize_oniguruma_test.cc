// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenize_oniguruma.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/pretokenize_regex.h"
#include "text/unicode.h"

namespace rotor {
namespace {

using testing::HasSubstr;

// Whether the pattern, as a tokenizer file writes it, matches `text` somewhere.
bool matches(const std::string& pattern, const std::string& text) {
  const auto regex = SplitRegex::compile("(?:x(?:" + pattern + ")y)", "test");
  EXPECT_TRUE(regex.ok()) << regex.status().message();
  std::vector<size_t> ends;
  EXPECT_TRUE(regex->split("-x" + text + "y-", 0, ends).ok());
  return ends.size() == 3;
}

std::string refusal(std::string_view pattern) {
  const auto translated = pcre2_from_oniguruma(pattern);
  EXPECT_EQ(translated.status().code(), Code::kUnsupported) << pattern;
  return translated.status().message();
}

TEST(Oniguruma, LeavesAloneWhatMeansTheSame) {
  for (const char* pattern :
       {"", "a|b", R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3})", R"([]\]^-]+)",
        R"(\\w\\[\\b\]\d\p{Lu}\P{L}\pL)", R"(\x{1F600}+\p{Any}*)", R"([\b])", "\\", "[", "\\p{", "[^"}) {
    const auto translated = pcre2_from_oniguruma(pattern);
    ASSERT_TRUE(translated.ok()) << pattern;
    EXPECT_EQ(*translated, pattern);
  }
}

TEST(Oniguruma, WordsHaveMarksAndNoFractions) {
  for (const char* word : {"a", "\u0301", "_", "7", "\u00bd", "\u2160", "\u203f"}) {
    EXPECT_TRUE(matches("\\w", word)) << word;
    EXPECT_TRUE(matches("[\\w]", word)) << word;
    EXPECT_FALSE(matches("\\W", word)) << word;
    EXPECT_FALSE(matches("[^\\w]", word)) << word;
  }
  for (const char* other : {" ", "-", "\u215e", "\u2460", "\u09f4"}) {
    EXPECT_FALSE(matches("\\w", other)) << other;
    EXPECT_TRUE(matches("\\W", other)) << other;
  }
}

TEST(Oniguruma, WordsEndWhereTheirCharactersEnd) {
  EXPECT_TRUE(matches("5\\b\u215e", "5\u215e"));
  EXPECT_FALSE(matches("5\\B\u215e", "5\u215e"));
  EXPECT_FALSE(matches("e\\b\u0301", "e\u0301"));
  EXPECT_TRUE(matches("e\\B\u0301", "e\u0301"));
  EXPECT_TRUE(matches("-\\b7\\b-", "-7-"));
  EXPECT_TRUE(matches("-\\B-", "--"));
}

// \s and \S hold every character between them, and no character both.
TEST(Oniguruma, SpaceIsTheProperty) {
  size_t spaces = 0;
  for (uint32_t code = 0; code < 0x3100; ++code) {
    std::string text;
    append_utf8(code, text);
    const bool space = matches("\\s", text);
    spaces += space ? 1 : 0;
    EXPECT_EQ(matches("\\S", text), !space) << code;
    EXPECT_EQ(matches("[\\S\u4e00]", text), !space) << code;
    EXPECT_EQ(matches("[^\\s]", text), !space) << code;
  }
  EXPECT_EQ(spaces, 25u);
  EXPECT_FALSE(matches("\\s", "\u180e"));
}

TEST(Oniguruma, ScriptsAreScriptsAndNotTheirExtensions) {
  EXPECT_TRUE(matches("\\p{Han}", "\u4e00"));
  EXPECT_FALSE(matches("\\p{Han}", "\u3002"));
  EXPECT_TRUE(matches("[\\p{Hiragana}\\p{Han}]", "\u3042"));
  EXPECT_TRUE(matches("\\P{Han}", "\u3002"));
  EXPECT_TRUE(matches("\\p{Alphabetic}", "a"));
}

TEST(Oniguruma, RefusesWhatItCannotSpell) {
  EXPECT_THAT(refusal("[a&&b]"), HasSubstr("\"&&\" does not mean the same"));
  EXPECT_THAT(refusal("[a[bc]]"), HasSubstr("\"[\" does not mean the same"));
  EXPECT_THAT(refusal("[[:alpha:]]"), HasSubstr("\"[\" does not mean the same"));
  EXPECT_THAT(refusal("[\\W]"), HasSubstr("\\W"));
  EXPECT_THAT(refusal("\\H"), HasSubstr("\\H"));
  EXPECT_THAT(refusal("a{1,3}+"), HasSubstr("\"}+\" does not mean the same"));
}

}  // namespace
}  // namespace rotor
