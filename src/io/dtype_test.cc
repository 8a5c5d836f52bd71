// SPDX-License-Identifier: Apache-2.0
// The table of element types.
#include "io/dtype.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(DType, NamesGoBothWays) {
  for (int i = 0; i <= static_cast<int>(DType::kU64); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(dtype_name(dtype)), dtype) << i;
  }
  EXPECT_EQ(parse_dtype("f32"), std::nullopt);
  EXPECT_EQ(parse_dtype(""), std::nullopt);
}

TEST(DType, Sizes) {
  EXPECT_EQ(dtype_bits(*parse_dtype("BOOL")), 8u);
  EXPECT_EQ(dtype_bits(*parse_dtype("F4")), 4u);
  EXPECT_EQ(dtype_bits(*parse_dtype("F6_E2M3")), 6u);
  EXPECT_EQ(dtype_bits(*parse_dtype("BF16")), 16u);
  EXPECT_EQ(dtype_bits(DType::kF32), 32u);
  EXPECT_EQ(dtype_bits(DType::kC64), 64u);
}

}  // namespace
}  // namespace rotor
