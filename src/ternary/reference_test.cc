// SPDX-License-Identifier: Apache-2.0
// The definition itself, by hand.
#include "ternary/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(Reference, SmallProductByHand) {
  const int8_t trits[] = {1, 0, -1, -1, -1, 1};
  const int8_t x[] = {5, 7, -128, 127, 0, 1};
  int64_t out[4];
  reference_ternary_matmul(trits, 2, 3, x, 2, out);
  EXPECT_THAT(out, testing::ElementsAre(133, -140, 126, -126));
}

}  // namespace
}  // namespace rotor
