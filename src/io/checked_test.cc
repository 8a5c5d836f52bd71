// SPDX-License-Identifier: Apache-2.0
// Checked arithmetic at the largest numbers.
#include "io/checked.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(Checked, Arithmetic) {
  EXPECT_EQ(checked_add(UINT64_MAX - 1, 1), UINT64_MAX);
  EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_multiply(1ull << 32, (1ull << 32) - 1), 0xffffffff00000000u);
  EXPECT_EQ(checked_multiply(1ull << 32, 1ull << 32), std::nullopt);
  EXPECT_EQ(checked_align_up(0, 64), 0u);
  EXPECT_EQ(checked_align_up(65, 64), 128u);
  EXPECT_EQ(checked_align_up(UINT64_MAX - 63, 64), UINT64_MAX - 63);
  EXPECT_EQ(checked_align_up(UINT64_MAX - 62, 64), std::nullopt);
}

}  // namespace
}  // namespace rotor
