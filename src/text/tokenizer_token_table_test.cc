// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_token_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace rotor {
namespace {

bool all(TokenId) { return true; }

TEST(TokenTable, FindsEveryTokenAndNothingElse) {
  std::mt19937 random(1);
  std::map<std::string, TokenId> expected;
  std::vector<std::string> tokens;
  while (tokens.size() < 5000) {
    std::string token;
    for (uint32_t i = 1 + random() % 20; i > 0; --i) {
      token += static_cast<char>(random() % 3);
    }
    if (expected.emplace(token, static_cast<TokenId>(tokens.size())).second) {
      tokens.push_back(token);
    }
  }
  const TokenTable table(tokens, all);
  EXPECT_EQ(table.size(), tokens.size());
  EXPECT_EQ(table.longest(), 20u);
  for (const auto& [token, id] : expected) {
    ASSERT_EQ(table.find(token), id);
    ASSERT_EQ(table.bytes(id), token);
    const auto longer = expected.find(token + '\1');
    ASSERT_EQ(table.find(token + '\1'), longer == expected.end() ? kNoToken : longer->second);
  }
}

TEST(TokenTable, HidesWhatIsNotFindable) {
  const std::vector<std::string> tokens = {"a", "", "b", "a"};
  const TokenTable table(tokens, [](TokenId id) { return id != 2; });
  EXPECT_EQ(table.find("a"), 0);
  EXPECT_EQ(table.find("b"), kNoToken);
  EXPECT_EQ(table.find(""), kNoToken);
  EXPECT_EQ(table.bytes(2), "b");
  EXPECT_EQ(table.bytes(1), "");
  EXPECT_EQ(table.repeated(), std::pair(0, 3));
  EXPECT_EQ(TokenTable({tokens.data(), 3}, all).repeated(), std::pair(kNoToken, kNoToken));
}

TEST(TokenTable, EmptyOnes) {
  EXPECT_EQ(TokenTable().size(), 0u);
  EXPECT_EQ(TokenTable().find("a"), kNoToken);
  EXPECT_EQ(TokenTable({}, all).find("a"), kNoToken);
}

}  // namespace
}  // namespace rotor
