// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_added_tokens.h"

#include <gtest/gtest.h>

#include <random>

namespace rotor {
namespace {

TokenizerSpec spec_of(const std::vector<std::pair<std::string, TokenKind>>& tokens) {
  TokenizerSpec spec;
  spec.source = "file";
  for (const auto& [bytes, kind] : tokens) {
    spec.tokens.push_back(bytes);
    spec.kinds.push_back(kind);
  }
  return spec;
}

// Tries every token at every place, longest first.
TEST(AddedTokens, EqualsTheObviousSearch) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    TokenizerSpec spec;
    for (int i = 0; i < 12; ++i) {
      std::string bytes;
      for (uint32_t n = 1 + random() % 4; n > 0; --n) {
        bytes += static_cast<char>(random() % 2 == 0 ? 'a' : 0xFF);
      }
      if (std::find(spec.tokens.begin(), spec.tokens.end(), bytes) == spec.tokens.end()) {
        spec.tokens.push_back(bytes);
        spec.kinds.push_back(random() % 2 == 0 ? TokenKind::kControl : TokenKind::kUserDefined);
      }
    }
    const auto matcher = AddedTokenMatcher::create(spec);
    ASSERT_TRUE(matcher.ok());
    std::string text;
    for (int i = 0; i < 40; ++i) {
      text += static_cast<char>(random() % 2 == 0 ? 'a' : 0xFF);
    }
    const size_t trusted_end = random() % 41;
    for (size_t at = 0; at < text.size(); ++at) {
      size_t length = 0;
      TokenId id = kNoToken;
      for (size_t i = 0; i < spec.tokens.size(); ++i) {
        const std::string& token = spec.tokens[i];
        const bool allowed =
            spec.kinds[i] != TokenKind::kControl || at + token.size() <= trusted_end;
        if (allowed && token.size() > length && text.compare(at, token.size(), token) == 0) {
          length = token.size();
          id = static_cast<TokenId>(i);
        }
      }
      const auto match = matcher->longest(text, at, trusted_end);
      ASSERT_EQ(match.length, length);
      ASSERT_EQ(match.id, id);
    }
  }
}

TEST(AddedTokens, NormalAndUnusedTokensAreNotAmongThem) {
  const auto matcher = AddedTokenMatcher::create(
      spec_of({{"a", TokenKind::kNormal}, {"b", TokenKind::kUnused}, {"", TokenKind::kControl}}));
  ASSERT_TRUE(matcher.ok());
  EXPECT_FALSE(matcher->may_start('a'));
  EXPECT_EQ(matcher->longest("ab", 0, 2).length, 0u);
  EXPECT_EQ(matcher->find("a"), kNoToken);
  EXPECT_EQ(matcher->find(""), kNoToken);
}

TEST(AddedTokens, Refusals) {
  EXPECT_EQ(AddedTokenMatcher::create(
                spec_of({{"<s>", TokenKind::kControl}, {"<s>", TokenKind::kUserDefined}}))
                .status()
                .message(),
            "file: added tokens 0 and 1 are both \"<s>\"");
  EXPECT_EQ(AddedTokenMatcher::create(spec_of({{std::string(513, 'x'), TokenKind::kControl}}))
                .status()
                .message(),
            "file: added token 0 has 513 bytes; expected at most 512");
  EXPECT_TRUE(
      AddedTokenMatcher::create(spec_of({{std::string(512, 'x'), TokenKind::kControl}})).ok());
}

}  // namespace
}  // namespace rotor
