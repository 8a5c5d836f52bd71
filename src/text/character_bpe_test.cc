// SPDX-License-Identifier: Apache-2.0
#include "text/character_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <random>

#include "text/unicode.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using Ids = std::vector<TokenId>;

TokenizerSpec spec_of(const std::vector<std::pair<std::string, double>>& tokens) {
  TokenizerSpec spec;
  spec.source = "t";
  spec.model = TokenizerModel::kCharacterBpe;
  spec.space_mark = kSpaceMark;
  spec.unk = 0;
  spec.tokens = {"<unk>"};
  spec.kinds = {TokenKind::kControl};
  spec.scores = {0};
  for (const auto& [token, score] : tokens) {
    spec.tokens.push_back(token);
    spec.kinds.push_back(TokenKind::kNormal);
    spec.scores.push_back(score);
  }
  return spec;
}

Ids encode(const TokenizerSpec& spec, std::string_view text) {
  const auto bpe = CharacterBpe::create(spec);
  EXPECT_TRUE(bpe.ok()) << bpe.status().message();
  BpeMerger merger(bpe->merges());
  Ids ids;
  EXPECT_TRUE(bpe->encode(text, merger, ids).ok());
  return ids;
}

// The definition: of all neighbours that joined are a token, the one of the highest score, leftmost
// first, until there is none.
Ids by_definition(const TokenizerSpec& spec, std::string_view text) {
  const auto find = [&](const std::string& symbol) -> std::optional<size_t> {
    for (size_t id = 1; id < spec.tokens.size(); ++id) {
      if (spec.tokens[id] == symbol) {
        return id;
      }
    }
    return std::nullopt;
  };
  std::vector<std::string> symbols;
  for (size_t at = 0; at < text.size();) {
    symbols.emplace_back(text.substr(at, decode_utf8(text, at).length));
    at += symbols.back().size();
  }
  while (true) {
    std::optional<size_t> best;
    double best_score = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto id = find(symbols[i] + symbols[i + 1]);
      if (id && (!best || spec.scores[*id] > best_score)) {
        best = i;
        best_score = spec.scores[*id];
      }
    }
    if (!best) {
      break;
    }
    symbols[*best] += symbols[*best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(*best) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) {
    const auto id = find(symbol);
    const bool fused = !id && spec.fuse_unk && !ids.empty() && ids.back() == 0;
    if (!fused) {
      ids.push_back(id ? static_cast<TokenId>(*id) : 0);
    }
  }
  return ids;
}

TEST(CharacterBpe, MergesByScoreNotByLength) {
  const TokenizerSpec spec =
      spec_of({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}, {"abc", -3}});
  EXPECT_EQ(encode(spec, "abc"), Ids{6});  // b c first, then a bc
  EXPECT_EQ(encode(spec, "ab"), Ids{4});
  EXPECT_EQ(encode(spec, ""), Ids{});
}

TEST(CharacterBpe, ACharacterWithoutATokenMayBePartOfOne) {
  const TokenizerSpec spec = spec_of({{"a", -1}, {"a\u00e9", -2}});
  EXPECT_EQ(encode(spec, "a\u00e9a\u00e8\u00e9"), (Ids{2, 1, 0, 0}));
}

// Random vocabularies, some with equal scores and tokens with spaces inside, and texts on both sides
// of the length from which pieces count as long.
TEST(CharacterBpe, EqualsTheDefinitionOnRandomVocabularies) {
  std::mt19937 random(4);
  const std::string letters[] = {"a", "b", "\u00e9", std::string(kSpaceMark)};
  for (int round = 0; round < 400; ++round) {
    std::vector<std::pair<std::string, double>> tokens;
    const uint32_t distinct = round % 2 == 0 ? 3 : 100'000;
    for (int i = 0; i < 14; ++i) {
      std::string token;
      for (uint32_t length = 1 + random() % 5; length > 0; --length) {
        token += letters[random() % 4];
      }
      const auto same = [&](const auto& entry) { return entry.first == token; };
      if (std::find_if(tokens.begin(), tokens.end(), same) == tokens.end()) {
        tokens.emplace_back(token, -static_cast<double>(random() % distinct));
      }
    }
    TokenizerSpec spec = spec_of(tokens);
    spec.fuse_unk = round % 3 == 0;
    for (const uint32_t most : {8u, 40u, 300u}) {
      std::string text;
      for (uint32_t length = random() % most; length > 0; --length) {
        text += letters[random() % (1 + random() % 4)];
      }
      ASSERT_EQ(encode(spec, text), by_definition(spec, text)) << "round " << round << ": " << text;
    }
  }
}

TEST(CharacterBpe, AListOfMergesHasItsOwnOrder) {
  TokenizerSpec spec = spec_of({{"a", 0}, {"b", 0}, {"c", 0}, {"ab", 0}, {"bc", 0}});
  spec.scores.clear();
  spec.merges = {{1, 2}, {2, 3}};
  EXPECT_EQ(encode(spec, "abcbc"), (Ids{4, 3, 5}));
  spec.merges = {{2, 3}, {1, 2}};
  EXPECT_EQ(encode(spec, "abcbc"), (Ids{1, 5, 5}));
}

TEST(CharacterBpe, FilesThatContradictThemselves) {
  const auto error = [](const TokenizerSpec& spec) {
    const auto bpe = CharacterBpe::create(spec);
    EXPECT_EQ(bpe.status().code(), Code::kFormatError);
    return bpe.status().message();
  };
  TokenizerSpec spec = spec_of({{"a", -1}});
  spec.scores.pop_back();
  EXPECT_THAT(error(spec), HasSubstr("t: 1 scores for 2 tokens"));
  EXPECT_THAT(error(spec_of({{"a", -std::numeric_limits<double>::infinity()}})),
              HasSubstr("the score of token 1 is -inf; expected a finite number"));
}

// Tokens that are halves of a character: nothing splits a character, and nothing crashes.
TEST(CharacterBpe, TokensThatAreNoCharacters) {
  const TokenizerSpec spec = spec_of({{"\xC3", -1}, {"\xA9", -2}, {"x\u00e9", -3}, {"x", -4}});
  EXPECT_EQ(encode(spec, "x\u00e9\u00e9\xC3"), (Ids{3, 0, 1}));
}

}  // namespace
}  // namespace rotor
