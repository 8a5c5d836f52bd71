// SPDX-License-Identifier: Apache-2.0
#include "kernels/self_test.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(SelfTest, PassesAtEveryLevelOfThisCpu) {
  for (int i = 0; i <= static_cast<int>(IsaLevel::kI8mm); ++i) {
    const IsaLevel level = static_cast<IsaLevel>(i);
    if (cpu_features().supports(level)) {
      EXPECT_EQ(self_test_kernels(level).message(), "") << isa_name(level);
    }
  }
}

}  // namespace
}  // namespace rotor
