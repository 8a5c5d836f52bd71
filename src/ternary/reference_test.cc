// SPDX-License-Identifier: Apache-2.0
// The definition itself, by hand.
#include "ternary/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace rotor {
namespace {

TEST(Reference, SmallProductByHand) {
  const int8_t trits[] = {1, 0, -1, -1, -1, 1};
  const int8_t x[] = {5, 7, -128, 127, 0, 1};
  int64_t out[4];
  reference_ternary_matmul(trits, 2, 3, x, 2, out);
  EXPECT_THAT(out, testing::ElementsAre(133, -140, 126, -126));
}

TEST(Reference, GroupProductByHand) {
  // Two groups of 64 columns and one of 1.
  std::vector<int8_t> trits(129, 1);
  std::vector<int8_t> x(129, 2);
  trits[70] = -1;
  const float scales[] = {0.5f, 0.25f, -1.0f};
  float out = 99.0f;
  reference_group_matmul(trits.data(), 1, 129, 64, scales, x.data(), 1, &out);
  EXPECT_EQ(out, 128 * 0.5f + 124 * 0.25f - 2.0f);
}

// Groups in ascending order, each product and each sum rounded: 2^24 + 1 - 2^24 + 1 = 1, not 2.
TEST(Reference, GroupsAreAddedInOrderAndRounded) {
  std::vector<int8_t> trits(4 * 64, 0);
  std::vector<int8_t> x(4 * 64, 1);
  trits[0] = trits[64] = trits[192] = 1;
  trits[128] = -1;
  const float scales[] = {0x1p24f, 1.0f, 0x1p24f, 1.0f};
  float out = 99.0f;
  reference_group_matmul(trits.data(), 1, 4 * 64, 64, scales, x.data(), 1, &out);
  EXPECT_EQ(out, 1.0f);
  // 3 * (1 + 2^-23) is rounded before it is added.
  trits.assign(128, 0);
  trits[0] = 1;
  std::fill_n(trits.begin() + 64, 3, int8_t{1});
  const float product_first[] = {-3.0f, 1.0f + 0x1p-23f};
  reference_group_matmul(trits.data(), 1, 128, 64, product_first, x.data(), 1, &out);
  EXPECT_EQ(out, 0x1p-21f);  // 3 + 3 * 2^-23 lies between 3 + 2^-22 and 3 + 2^-21: to even
  // A sum that starts at +0.0 never becomes -0.0.
  const float negative[] = {-0.0f, -0.0f};
  reference_group_matmul(trits.data(), 1, 128, 64, negative, x.data(), 1, &out);
  EXPECT_FALSE(std::signbit(out));
}

}  // namespace
}  // namespace rotor
