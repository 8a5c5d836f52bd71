// SPDX-License-Identifier: Apache-2.0
#include "text/pretokenize.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "text/unicode.h"

namespace rotor {
namespace {

constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::vector<size_t> split(SplitKind kind, std::string_view text) {
  const SplitRule rule{kind, {}};
  const auto pretokenizer = Pretokenizer::create({&rule, 1}, "test");
  std::vector<size_t> ends;
  EXPECT_TRUE(pretokenizer->split(text, ends).ok());
  return ends;
}

std::vector<std::string> pieces(SplitKind kind, std::string_view text) {
  std::vector<std::string> list;
  size_t begin = 0;
  for (const size_t end : split(kind, text)) {
    list.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return list;
}

using Pieces = std::vector<std::string>;

TEST(Pretokenize, KnownPatternsAreRecognised) {
  EXPECT_EQ(split_rule_from_pattern(kLlama3).kind, SplitKind::kLlama3);
  EXPECT_EQ(split_rule_from_pattern(kQwen2).kind, SplitKind::kQwen2);
  EXPECT_EQ(split_rule_from_pattern(kGpt2).kind, SplitKind::kGpt2);
  EXPECT_EQ(split_rule_from_pattern("x").kind, SplitKind::kRegex);
  EXPECT_EQ(split_rule_from_pattern("x").pattern, "x");
}

TEST(Pretokenize, Llama3Examples) {
  const auto llama3 = [](std::string_view text) { return pieces(SplitKind::kLlama3, text); };
  EXPECT_EQ(llama3(""), Pieces());
  EXPECT_EQ(llama3("Hello, world's"), (Pieces{"Hello", ",", " world", "'s"}));
  EXPECT_EQ(llama3("a  b\n\n  c"), (Pieces{"a", " ", " b", "\n\n", " ", " c"}));
  EXPECT_EQ(llama3("12345 6"), (Pieces{"123", "45", " ", "6"}));
  EXPECT_EQ(llama3("x = !!\r\n\ny"), (Pieces{"x", " =", " !!\r\n\n", "y"}));
  EXPECT_EQ(llama3(" \n \t"), (Pieces{" \n", " \t"}));
  EXPECT_EQ(llama3("I'VE 'x"), (Pieces{"I", "'VE", " '", "x"}));
  EXPECT_EQ(llama3("\xFF"
                   "a\xFF\xFE 1"),
            (Pieces{"\xFF"
                    "a",
                    "\xFF\xFE", " ", "1"}));
}

TEST(Pretokenize, Gpt2Examples) {
  const auto gpt2 = [](std::string_view text) { return pieces(SplitKind::kGpt2, text); };
  EXPECT_EQ(gpt2("Hello 12345's  x\n"), (Pieces{"Hello", " 12345", "'s", " ", " x", "\n"}));
  EXPECT_EQ(gpt2("I'VE"), (Pieces{"I", "'", "VE"}));
  EXPECT_EQ(gpt2("\xFF 1"), (Pieces{"\xFF", " 1"}));
}

TEST(Pretokenize, DigitsThenAnotherRule) {
  EXPECT_EQ(pieces(SplitKind::kDigits, "ab12\u0663 c"), (Pieces{"ab", "1", "2", "\u0663", " c"}));
  const std::array<SplitRule, 2> rules = {SplitRule{SplitKind::kDigits, {}},
                                          SplitRule{SplitKind::kGpt2, {}}};
  const auto pretokenizer = Pretokenizer::create(rules, "test");
  std::vector<size_t> ends;
  ASSERT_TRUE(pretokenizer->split("a 12 b!", ends).ok());
  // The digits cut "a " off, so its space has nothing to belong to.
  EXPECT_EQ(ends, (std::vector<size_t>{1, 2, 3, 4, 6, 7}));
}

TEST(Pretokenize, NoRuleIsOnePiece) {
  const auto pretokenizer = Pretokenizer::create({}, "test");
  std::vector<size_t> ends;
  ASSERT_TRUE(pretokenizer->split("a b", ends).ok());
  EXPECT_EQ(ends, std::vector<size_t>{3});
}

// The scanners against the patterns they stand for, run by PCRE2.
class Scanner : public testing::TestWithParam<std::pair<SplitKind, const char*>> {
 protected:
  void SetUp() override {
    const SplitRule rule{GetParam().first, {}};
    scanner_ = *Pretokenizer::create({&rule, 1}, "test");
    pattern_ = *SplitRegex::compile(GetParam().second, "test");
  }
  void expect_same(std::string_view text) {
    expected_.clear();
    ASSERT_TRUE(pattern_.split(text, 0, expected_).ok());
    ASSERT_TRUE(scanner_.split(text, ends_).ok());
    ASSERT_EQ(ends_, expected_) << printable(text, 200);
  }

  Pretokenizer scanner_;
  SplitRegex pattern_;
  std::vector<size_t> ends_;
  std::vector<size_t> expected_;
};

// Every text of up to five characters of the kinds that the patterns tell apart.
TEST_P(Scanner, EveryShortText) {
  const std::array<std::string_view, 9> kinds = {"a",      "s", "'", " ",     "\n",
                                                 "\u3000", "1", "!", "\u017F"};
  for (size_t length = 1; length <= 5; ++length) {
    std::array<size_t, 5> digits{};
    while (true) {
      std::string text;
      for (size_t i = 0; i < length; ++i) {
        text += kinds[digits[i]];
      }
      ASSERT_NO_FATAL_FAILURE(expect_same(text));
      size_t i = 0;
      while (i < length && ++digits[i] == kinds.size()) {
        digits[i++] = 0;
      }
      if (i == length) {
        break;
      }
    }
  }
}

TEST_P(Scanner, RandomText) {
  const std::array<std::string_view, 26> kinds = {
      "r",      "E",      "v",          "L",      "l",    "m",      "d",  "t",      "S",
      "'",      " ",      "  ",         "\n",     "\r\n", "\t",     "\v", "\u0085", "\u00A0",
      "\u2028", "\u4E00", "\U0001F600", "\u0301", "0",    "\u00BD", ".",  "\u2160"};
  std::mt19937 random(1);
  for (int round = 0; round < 30'000; ++round) {
    std::string text;
    for (uint32_t i = random() % 30; i > 0; --i) {
      text += kinds[random() % kinds.size()];
    }
    ASSERT_NO_FATAL_FAILURE(expect_same(text));
  }
}

INSTANTIATE_TEST_SUITE_P(Patterns, Scanner,
                         testing::Values(std::pair(SplitKind::kLlama3, kLlama3),
                                         std::pair(SplitKind::kQwen2, kQwen2),
                                         std::pair(SplitKind::kGpt2, kGpt2)));

}  // namespace
}  // namespace rotor
