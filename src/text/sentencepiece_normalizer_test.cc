// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_normalizer.h"

#include <gtest/gtest.h>

#include "text/sentencepiece_test_map.h"

namespace rotor {
namespace {

std::string apply(const SentencePieceRules& rules, std::string_view text) {
  const auto normalizer = SentencePieceNormalizer::create(rules, "t");
  EXPECT_TRUE(normalizer.ok()) << normalizer.status().message();
  std::string out = normalizer->apply(text, 1 << 20);
  // Marks are hard to read.
  for (size_t at = 0; (at = out.find(kSpaceMark, at)) != std::string::npos;) {
    out.replace(at, kSpaceMark.size(), "_");
  }
  return out;
}

TEST(SentencePieceNormalizer, WhiteSpace) {
  SentencePieceRules rules;
  EXPECT_EQ(apply(rules, "  a  b "), "_a_b");
  EXPECT_EQ(apply(rules, "   "), "");
  EXPECT_EQ(apply(rules, ""), "");
  EXPECT_EQ(apply(rules, "a\tb\n"), "_a\tb\n");
  EXPECT_EQ(apply(rules, "a\u2581"), "_a");  // a mark in the text counts as a space at the end
  rules.remove_extra_whitespaces = false;
  EXPECT_EQ(apply(rules, "  a  b "), "___a__b_");
  EXPECT_EQ(apply(rules, "   "), "____");
  rules.add_dummy_prefix = false;
  EXPECT_EQ(apply(rules, " a"), "_a");
  rules.remove_extra_whitespaces = true;
  EXPECT_EQ(apply(rules, " a "), "a");
}

TEST(SentencePieceNormalizer, Replacements) {
  SentencePieceRules rules;
  rules.charsmap = test::charsmap_bytes({{"\u3000", " "}, {"\x01", ""}, {"\u00bd", "1/2"}});
  EXPECT_EQ(apply(rules, "\u3000a\u3000 \u00bd\x01\u3000"), "_a_1/2");
  EXPECT_EQ(apply(rules, "\x01"), "");  // the prefix alone goes with the trailing spaces
  rules.remove_extra_whitespaces = false;
  EXPECT_EQ(apply(rules, "\x01"), "_");
}

TEST(SentencePieceNormalizer, UserDefinedTokensAreNotReplaced) {
  SentencePieceRules rules;
  rules.charsmap = test::charsmap_bytes({{"A", "a"}, {"B", "b"}});
  EXPECT_EQ(apply(rules, "ABBA"), "_abba");
  rules.protected_texts = {"BB"};
  EXPECT_EQ(apply(rules, "ABBAB"), "_aBBab");
}

TEST(SentencePieceNormalizer, BrokenBytesStay) {
  EXPECT_EQ(apply({}, "a\xFF\xE4\xB8"), "_a\xFF\xE4\xB8");
}

TEST(SentencePieceNormalizer, StopsAtTheLimit) {
  SentencePieceRules rules;
  rules.charsmap = test::charsmap_bytes({{"A", std::string(1000, 'a')}});
  const auto normalizer = SentencePieceNormalizer::create(rules, "t");
  const size_t size = normalizer->apply(std::string(1000, 'A'), 5000).size();
  EXPECT_GT(size, 5000u);
  EXPECT_LT(size, 6100u);
}

}  // namespace
}  // namespace rotor
