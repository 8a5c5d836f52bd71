// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merge_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

TokenTable table_of(const std::vector<std::string>& tokens) {
  return TokenTable(tokens, [](TokenId) { return true; });
}

TEST(MergeTable, RanksAreThePlacesInTheList) {
  const TokenTable tokens = table_of({"a", "b", "ab", "abb"});
  const std::vector<MergePair> merges = {{0, 1}, {2, 1}};
  const auto table = MergeTable::from_list(merges, tokens, "list");
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->size(), 2u);
  EXPECT_EQ(table->rank_limit(), 2u);
  EXPECT_EQ(table->find(0, 1).rank, 0u);
  EXPECT_EQ(table->find(0, 1).merged, 2);
  EXPECT_EQ(table->find(2, 1).rank, 1u);
  EXPECT_EQ(table->find(2, 1).merged, 3);
  EXPECT_EQ(table->find(1, 0).rank, kNoRank);
  EXPECT_EQ(table->find(3, 3).rank, kNoRank);
  EXPECT_EQ(MergeTable().find(0, 0).rank, kNoRank);
}

TEST(MergeTable, BadLists) {
  const TokenTable tokens = table_of({"a", "b", "ab", ""});
  const auto message = [&](std::vector<MergePair> merges) {
    const auto table = MergeTable::from_list(merges, tokens, "list");
    EXPECT_EQ(table.status().code(), Code::kFormatError);
    return table.status().message();
  };
  EXPECT_THAT(message({{0, 4}}), HasSubstr("list: merge 0: token id 4 names no token"));
  EXPECT_THAT(message({{-1, 0}}), HasSubstr("token id -1 names no token"));
  EXPECT_THAT(message({{0, 3}}), HasSubstr("token id 3 names no token with bytes"));
  EXPECT_THAT(message({{0, 1}, {1, 0}}),
              HasSubstr("merge 1: expected \"b\" joined with \"a\" to be in the vocabulary"));
  EXPECT_THAT(message({{0, 1}, {0, 1}}), HasSubstr("merge 1: \"a\" with \"b\" is already merge 0"));
}

TEST(MergeTable, FromRanksEverySplitIsAMerge) {
  const TokenTable tokens = table_of({"a", "b", "ab", "bb", "abb", "zzz"});
  const auto table = MergeTable::from_ranks(tokens, "ranks");
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->size(), 4u);
  EXPECT_EQ(table->find(2, 1).rank, 4u);
  EXPECT_EQ(table->find(0, 3).rank, 4u);
  EXPECT_EQ(table->find(0, 3).merged, 4);
  EXPECT_EQ(table->find(1, 1).rank, 3u);
  const auto merges = merges_from_ranks(tokens, "ranks");
  ASSERT_EQ(merges->size(), 4u);
  EXPECT_EQ((*merges)[2].left, 0);  // "a" + "bb" before "ab" + "b"
  EXPECT_EQ((*merges)[2].right, 3);
}

TEST(MergeTable, HostileRanks) {
  std::vector<std::string> nested;
  for (size_t length = 1; length <= 100; ++length) {
    nested.emplace_back(length, 'a');
  }
  EXPECT_THAT(MergeTable::from_ranks(table_of(nested), "ranks").status().message(),
              HasSubstr("expected at most 800 for the whole vocabulary"));
  EXPECT_THAT(
      MergeTable::from_ranks(table_of({std::string(1025, 'a')}), "ranks").status().message(),
      HasSubstr("token 0 has 1025 bytes; expected at most 1024"));
}

}  // namespace
}  // namespace rotor
