// SPDX-License-Identifier: Apache-2.0
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace rotor {
namespace {

// The definition: join the leftmost of the lowest-ranking pairs until there is none.
std::vector<TokenId> merge_by_definition(const MergeTable& merges, std::vector<TokenId> piece) {
  while (true) {
    Merge best;
    size_t at = 0;
    for (size_t i = 0; i + 1 < piece.size(); ++i) {
      const Merge merge = merges.find(piece[i], piece[i + 1]);
      if (merge.rank < best.rank) {
        best = merge;
        at = i;
      }
    }
    if (best.rank == kNoRank) {
      return piece;
    }
    piece[at] = best.merged;
    piece.erase(piece.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// A vocabulary over `letters` letters with `size` tokens made by joining earlier ones.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<MergePair> merges;
};

Vocabulary random_vocabulary(std::mt19937& random, size_t letters, size_t size) {
  Vocabulary v;
  std::set<std::string> seen;
  for (size_t i = 0; i < letters; ++i) {
    v.tokens.push_back(std::string(1, static_cast<char>('a' + i)));
  }
  for (int tries = 0; v.tokens.size() < size && tries < 10'000; ++tries) {
    const TokenId left = static_cast<TokenId>(random() % v.tokens.size());
    const TokenId right = static_cast<TokenId>(random() % v.tokens.size());
    const std::string joined =
        v.tokens[static_cast<size_t>(left)] + v.tokens[static_cast<size_t>(right)];
    if (joined.size() <= 12 && seen.insert(joined).second) {
      v.tokens.push_back(joined);
      v.merges.push_back({left, right});
    }
  }
  return v;
}

MergeTable table_of(const Vocabulary& v, bool ranks_are_ids) {
  const TokenTable tokens(v.tokens, [](TokenId) { return true; });
  auto table = ranks_are_ids ? MergeTable::from_ranks(tokens, "test")
                             : MergeTable::from_list(v.merges, tokens, "test");
  EXPECT_TRUE(table.ok()) << table.status().message();
  return *std::move(table);
}

std::vector<TokenId> random_piece(std::mt19937& random, size_t letters, size_t length) {
  std::vector<TokenId> piece;
  while (piece.size() < length) {
    piece.insert(piece.end(), 1 + random() % 5, static_cast<TokenId>(random() % letters));
  }
  piece.resize(length);
  return piece;
}

class MergeOrder : public testing::TestWithParam<int> {};

// Short and long pieces, merges in the order of training and in any order (where joining makes
// pairs of lower rank), and ranks alone.
TEST_P(MergeOrder, EqualsTheDefinition) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  const size_t letters = 1 + random() % 3;
  Vocabulary v = random_vocabulary(random, letters, 4 + random() % 40);
  if (GetParam() % 3 == 1) {
    std::shuffle(v.merges.begin(), v.merges.end(), random);
  }
  const MergeTable merges = table_of(v, GetParam() % 3 == 2);
  BpeMerger merger(merges);
  for (const size_t length : {0, 1, 2, 5, 30, 64, 65, 66, 100, 300, 700}) {
    std::vector<TokenId> piece = random_piece(random, letters, length);
    const std::vector<TokenId> expected = merge_by_definition(merges, piece);
    merger.merge(piece);
    ASSERT_EQ(piece, expected) << "length " << length;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, MergeOrder, testing::Range(0, 150));

TEST(BpeMerger, ATableWithoutMerges) {
  const MergeTable none;
  BpeMerger merger(none);
  std::vector<TokenId> piece(1000, 7);
  merger.merge(piece);
  EXPECT_EQ(piece, std::vector<TokenId>(1000, 7));
}

// Work of a piece of n tokens and of 2n, counted, not timed.
TEST(BpeMerger, WorkIsAlmostLinear) {
  std::mt19937 random(7);
  Vocabulary doubling;  // a, aa, aaaa, ...: everything merges, again and again
  doubling.tokens = {"a", "b"};
  for (TokenId last = 0; doubling.tokens.back().size() < 512;
       last = static_cast<TokenId>(doubling.tokens.size() - 1)) {
    doubling.merges.push_back({last, last});
    const std::string half = doubling.tokens[static_cast<size_t>(last)];
    doubling.tokens.push_back(half + half);
  }
  Vocabulary chain;  // a, ab, aba, abab, ...: one token eats its way to the right
  chain.tokens = {"a", "b"};
  for (TokenId last = 0; chain.tokens.size() < 300;
       last = static_cast<TokenId>(chain.tokens.size() - 1)) {
    const TokenId next = chain.tokens[static_cast<size_t>(last)].ends_with('a') ? 1 : 0;
    chain.merges.push_back({last, next});
    chain.tokens.push_back(chain.tokens[static_cast<size_t>(last)] +
                           chain.tokens[static_cast<size_t>(next)]);
  }
  Vocabulary reversed = chain;
  std::reverse(reversed.merges.begin(), reversed.merges.end());
  Vocabulary shuffled = random_vocabulary(random, 2, 60);
  std::shuffle(shuffled.merges.begin(), shuffled.merges.end(), random);
  for (const Vocabulary& v : {doubling, chain, reversed, shuffled}) {
    const MergeTable merges = table_of(v, false);
    for (const int period : {1, 2, 3, 0}) {
      uint64_t work[2];
      for (const size_t twice : {0, 1}) {
        std::vector<TokenId> piece(size_t{100'000} << twice);
        for (size_t i = 0; i < piece.size(); ++i) {
          piece[i] = static_cast<TokenId>(period == 0 ? random() % 2 : i % period == 1);
        }
        BpeMerger merger(merges);
        merger.merge(piece);
        work[twice] = merger.operations();
      }
      EXPECT_LE(static_cast<double>(work[1]) / static_cast<double>(work[0]), 2.2) << period;
      EXPECT_LE(work[1], 200'000u * 60);
    }
  }
}

TEST(RankSet, MinimumOfRandomSets) {
  std::mt19937 random(3);
  for (const uint32_t limit : {1u, 64u, 65u, 4096u, 5000u, 300'000u}) {
    RankSet set(limit);
    std::set<uint32_t> expected;
    for (int step = 0; step < 2000; ++step) {
      const uint32_t rank = random() % limit;
      if (random() % 2 == 0) {
        set.insert(rank);
        expected.insert(rank);
      } else {
        set.erase(rank);
        expected.erase(rank);
      }
      ASSERT_EQ(set.minimum(), expected.empty() ? kNoRank : *expected.begin());
    }
  }
}

}  // namespace
}  // namespace rotor
