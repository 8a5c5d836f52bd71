// SPDX-License-Identifier: Apache-2.0
#include "text/unigram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

#include "text/unicode.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using Ids = std::vector<TokenId>;

TokenizerSpec spec_of(const std::vector<std::pair<std::string, double>>& tokens) {
  TokenizerSpec spec;
  spec.source = "t";
  spec.model = TokenizerModel::kUnigram;
  spec.tokens = {"<unk>"};
  spec.kinds = {TokenKind::kControl};
  spec.scores = {0};
  spec.unk = 0;
  for (const auto& [token, score] : tokens) {
    spec.tokens.push_back(token);
    spec.kinds.push_back(TokenKind::kNormal);
    spec.scores.push_back(score);
    spec.unknown_score = std::min(spec.unknown_score, score - 10);
  }
  return spec;
}

Ids encode(const TokenizerSpec& spec, std::string_view text) {
  const auto unigram = Unigram::create(spec);
  EXPECT_TRUE(unigram.ok()) << unigram.status().message();
  Ids ids;
  EXPECT_TRUE(unigram->encode(text, ids).ok());
  return ids;
}

TEST(Unigram, TakesTheMostProbablePath) {
  const TokenizerSpec spec = spec_of({{"a", -1}, {"b", -1}, {"ab", -1.5}, {"ba", -1.25}});
  EXPECT_EQ(encode(spec, ""), Ids{});
  EXPECT_EQ(encode(spec, "ab"), Ids{3});
  EXPECT_EQ(encode(spec, "aba"), (Ids{1, 4}));  // -2.25 against -2.5 and -3
}

TEST(Unigram, AmongEqualsTheLongestLastToken) {
  const TokenizerSpec spec = spec_of({{"a", -1}, {"aa", -1}});
  EXPECT_EQ(encode(spec, "aaa"), (Ids{1, 2}));
}

TEST(Unigram, UnknownCharacters) {
  TokenizerSpec spec = spec_of({{"a", -1}, {"\u00e9x", -1}});
  EXPECT_EQ(encode(spec, "a\u4e00\u4e01a"), (Ids{1, 0, 0, 1}));
  spec.fuse_unk = true;
  EXPECT_EQ(encode(spec, "a\u4e00\u4e01a"), (Ids{1, 0, 1}));
  EXPECT_EQ(encode(spec, "\u00e9x\u00e9"), (Ids{2, 0}));
  EXPECT_EQ(encode(spec, "\xFF\xC3"), Ids{0});
}

// The recursive definition: the best way to cut what is left of the text.
double best_score(const TokenizerSpec& spec, std::string_view text,
                  std::map<size_t, double>& known) {
  if (text.empty()) {
    return 0;
  }
  if (const auto found = known.find(text.size()); found != known.end()) {
    return found->second;
  }
  const size_t character = decode_utf8(text, 0).length;
  double best = -1e300;
  bool single = false;
  for (size_t id = 1; id < spec.tokens.size(); ++id) {
    const std::string& token = spec.tokens[id];
    if (text.starts_with(token)) {
      single = single || token.size() == character;
      best = std::max(best,
                      spec.scores[id] + best_score(spec, text.substr(token.size()), known));
    }
  }
  if (!single) {
    best = std::max(best,
                    spec.unknown_score + best_score(spec, text.substr(character), known));
  }
  return known[text.size()] = best;
}

TEST(Unigram, EqualsTheDefinitionOnRandomVocabularies) {
  std::mt19937 random(3);
  const std::string letters[] = {"a", "b", "\u00e9", "\u4e00"};
  for (int round = 0; round < 300; ++round) {
    std::map<std::string, double> tokens;
    for (int i = 0; i < 12; ++i) {
      std::string token;
      for (uint32_t length = 1 + random() % 4; length > 0; --length) {
        token += letters[random() % 4];
      }
      tokens[token] = -0.001 * static_cast<double>(random() % 9000);
    }
    const TokenizerSpec spec = spec_of({tokens.begin(), tokens.end()});
    for (int i = 0; i < 10; ++i) {
      std::string text;
      for (uint32_t length = random() % 16; length > 0; --length) {
        text += letters[random() % 4];
      }
      double score = 0;
      size_t bytes = 0;
      for (const TokenId id : encode(spec, text)) {
        const size_t at = static_cast<size_t>(id);
        score += id == 0 ? spec.unknown_score : spec.scores[at];
        bytes += id == 0 ? decode_utf8(text, bytes).length : spec.tokens[at].size();
      }
      std::map<size_t, double> known;
      EXPECT_EQ(bytes, text.size());
      EXPECT_NEAR(score, best_score(spec, text, known), 1e-9) << text;
    }
  }
}

TEST(Unigram, FilesThatContradictThemselves) {
  const auto error = [](const TokenizerSpec& spec) {
    const auto unigram = Unigram::create(spec);
    EXPECT_EQ(unigram.status().code(), Code::kFormatError);
    return unigram.status().message();
  };
  TokenizerSpec spec = spec_of({{"a", -1}});
  spec.scores.pop_back();
  EXPECT_THAT(error(spec), HasSubstr("t: 1 scores for 2 tokens"));
  EXPECT_THAT(error(spec_of({{"a", std::numeric_limits<double>::quiet_NaN()}})),
              HasSubstr("the score of token 1"));
  EXPECT_THAT(error(spec_of({{std::string(513, 'a'), -1}})), HasSubstr("token 1 has 513 bytes"));
}

TEST(TokenTrie, FindsTokensByTheirBytes) {
  const std::vector<std::string> tokens = {"b", "ab", "a", "abc"};
  const TokenTrie trie(tokens, {2, 1, 3, 0});
  uint32_t node = trie.child(TokenTrie::kRoot, 'a');
  EXPECT_EQ(trie.token(node), 2);
  node = trie.child(node, 'b');
  EXPECT_EQ(trie.token(node), 1);
  EXPECT_EQ(trie.child(node, 'd'), TokenTrie::kNowhere);
  EXPECT_EQ(trie.token(trie.child(node, 'c')), 3);
  EXPECT_EQ(trie.token(TokenTrie::kRoot), kNoToken);
  EXPECT_EQ(TokenTrie({}, {}).child(TokenTrie::kRoot, 'a'), TokenTrie::kNowhere);
}

}  // namespace
}  // namespace rotor
