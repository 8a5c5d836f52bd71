// SPDX-License-Identifier: Apache-2.0
#include "model/block_scales.h"

#include <gtest/gtest.h>

#include "io/test_tensors.h"

namespace rotor {
namespace {

using Granularity = TernaryScale::Granularity;

// Of a matrix of 3 rows of 2 blocks of Q2_0, 64 columns each.
TernaryScale scale_with(const std::vector<float>& scales) {
  test::GgufBytes bytes;
  bytes.add_tensor("w", {128, 3}, kGgufQ2_0,
                   test::block_bytes(TernaryBlock::kQ2_0_64, test::random_trits(3 * 128), scales));
  const auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  const auto tensor =
      TernaryBlockTensor::open(*file, *file->find_tensor("w"), TernaryBlock::kQ2_0_64);
  const auto scale = scale_of_blocks(*tensor);
  EXPECT_TRUE(scale.ok()) << scale.status().message();
  return *scale;
}

TEST(BlockScales, OneForTheMatrix) {
  for (const std::vector<float>& scales :
       {std::vector<float>{2, 2, 2, 2, 2, 2}, {0, 2, 0, 0, 2, 0}, {2, 0, 0, 0, 0, 0}}) {
    const TernaryScale scale = scale_with(scales);
    EXPECT_EQ(scale.granularity, Granularity::kTensor);
    EXPECT_EQ(scale.values, std::vector<float>{2});
  }
  EXPECT_EQ(scale_with({0, 0, 0, 0, 0, 0}).values, std::vector<float>{0});
}

TEST(BlockScales, OneForEachRow) {
  for (const std::vector<float>& scales :
       {std::vector<float>{2, 2, 3, 3, 0, 0}, {2, 0, 0, 3, 0, 0}}) {
    const TernaryScale scale = scale_with(scales);
    EXPECT_EQ(scale.granularity, Granularity::kRow);
    EXPECT_EQ(scale.values, (std::vector<float>{2, 3, 0}));
  }
}

TEST(BlockScales, OneForEachGroup) {
  for (const std::vector<float>& scales :
       {std::vector<float>{2, 2, 2, 2, 2, 3}, {1, 2, 3, 4, 5, 6}}) {
    const TernaryScale scale = scale_with(scales);
    EXPECT_EQ(scale.granularity, Granularity::kGroup);
    EXPECT_EQ(scale.group_cols, 64u);
    EXPECT_EQ(scale.values, scales);
  }
}

}  // namespace
}  // namespace rotor
