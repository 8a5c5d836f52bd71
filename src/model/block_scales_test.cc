// SPDX-License-Identifier: Apache-2.0
#include "model/block_scales.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "io/ternary_blocks.h"
#include "io/test_tensors.h"

namespace rotor {
namespace {

using Granularity = TernaryScale::Granularity;

// A matrix of rows of 2 blocks of Q2_0, 64 columns each.
std::shared_ptr<const GgufFile> file_with(const std::vector<float>& scales) {
  test::GgufBytes bytes;
  const size_t rows = scales.size() / 2;
  bytes.add_tensor("w", {128, rows}, kGgufQ2_0,
                   test::block_bytes(TernaryBlock::kQ2_0_64, test::random_trits(rows * 128), scales));
  return std::make_shared<const GgufFile>(
      *GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf")));
}

TernaryBlockTensor tensor_of(const GgufFile& file) {
  return *TernaryBlockTensor::open(file, *file.find_tensor("w"), TernaryBlock::kQ2_0_64);
}

ReadScales reader_of(const std::shared_ptr<const GgufFile>& file) {
  return [file, tensor = tensor_of(*file)](size_t begin, size_t end, float* scales) {
    return tensor.read_scales(begin, end, scales);
  };
}

TernaryScale scale_with(const std::vector<float>& scales) {
  const auto file = file_with(scales);
  const auto scale = scale_of_groups(scales.size() / 2, 128, {64, GroupScaleType::kF16},
                                     reader_of(file));
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
    EXPECT_EQ(scale.group.cols, 64u);
    EXPECT_TRUE(scale.values.empty());
  }
}

// 18 rows: two row blocks, of which the second is padded with zeros.
TEST(BlockScales, ThoseOfGroupsAreReadByRowBlocks) {
  std::vector<float> scales(2 * 18);
  for (size_t i = 0; i < scales.size(); ++i) {
    scales[i] = 0.25f * static_cast<float>(1 + i);
  }
  const auto file = file_with(scales);
  const FileGroupScales reader(18, 2, 4.0f, reader_of(file), "t.gguf");
  std::vector<float> expected(2 * 32, 0.0f);
  std::transform(scales.begin(), scales.end(), expected.begin(), [](float s) { return 4 * s; });
  std::vector<float> out(2 * 32, 9.0f);
  ASSERT_TRUE(reader.read(0, 2, out.data()).ok());
  EXPECT_EQ(out, expected);
  ASSERT_TRUE(reader.read(1, 2, out.data()).ok());
  EXPECT_TRUE(std::equal(out.begin(), out.begin() + 32, expected.begin() + 32));
  const FileGroupScales huge(18, 2, 3e38f, reader_of(file), "t.gguf");
  EXPECT_EQ(huge.read(0, 2, out.data()).code(), Code::kFormatError);
}

}  // namespace
}  // namespace rotor
