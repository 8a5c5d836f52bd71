// SPDX-License-Identifier: Apache-2.0
// The largest of a stream, against sorting it.
#include "model/top_logits.h"

#include <gtest/gtest.h>

#include <random>

namespace rotor {
namespace {

std::vector<TokenLogit> sorted(std::span<const TokenLogit> entries) {
  std::vector<TokenLogit> copy(entries.begin(), entries.end());
  std::sort(copy.begin(), copy.end(), more_likely);
  return copy;
}

TEST(MostLikely, KeepsWhatSortingWouldPutFirst) {
  std::mt19937 random(4);
  MostLikely most_likely;
  for (const size_t count : {1, 2, 40, 500, 3000}) {
    for (const int values : {3, 1 << 20}) {  // many ties, and few
      std::vector<TokenLogit> entries;
      most_likely.clear(count);
      for (TokenId token = 0; token < 2000; ++token) {
        const float logit = static_cast<float>(static_cast<int>(random()) % values);
        entries.push_back({logit, token});
        most_likely.add(logit, token);
      }
      const std::vector<TokenLogit> expected = sorted(entries);
      const std::vector<TokenLogit> got = sorted(most_likely.take());
      ASSERT_EQ(got.size(), std::min(count, entries.size()));
      for (size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].token, expected[i].token) << i;
      }
    }
  }
}

TEST(MostLikely, LeavesOutMinusInfinity) {
  MostLikely most_likely;
  most_likely.clear(5);
  most_likely.add(-INFINITY, 0);
  most_likely.add(-3, 1);
  ASSERT_EQ(most_likely.take().size(), 1u);
  EXPECT_EQ(most_likely.take()[0].token, 1);
}

}  // namespace
}  // namespace rotor
