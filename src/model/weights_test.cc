// SPDX-License-Identifier: Apache-2.0
#include "model/weights.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(FloatRows, BytesOfARow) {
  EXPECT_EQ(float_row_bytes(FloatType::kF32, 40), 160u);
  EXPECT_EQ(float_row_bytes(FloatType::kF16, 40), 80u);
  EXPECT_EQ(float_row_bytes(FloatType::kBf16, 40), 80u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ8_0, 64), 68u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ6K, 512), 420u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ4_0, 512), 288u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ4K, 512), 288u);
}

TEST(FloatRows, BlockTypesHoldWholeBlocksOnly) {
  EXPECT_EQ(float_row_bytes(FloatType::kQ8_0, 40), 0u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ6K, 128), 0u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ4_0, 48), 0u);
  EXPECT_EQ(float_row_bytes(FloatType::kQ4K, 128), 0u);
}

TEST(Weights, TheHeadIsTheEmbeddingUnlessThereIsOne) {
  Weights weights;
  weights.embed.rows = 3;
  EXPECT_EQ(&weights.head_matrix(), &weights.embed);
  weights.head.rows = 3;
  EXPECT_EQ(&weights.head_matrix(), &weights.head);
}

}  // namespace
}  // namespace rotor
