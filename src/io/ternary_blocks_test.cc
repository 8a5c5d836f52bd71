// SPDX-License-Identifier: Apache-2.0
// TernaryBlockTensor against plain packers, for every type and range of rows; which meaning of an id a
// tensor has; and each way a block can be wrong.
#include "io/ternary_blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <limits>

#include "io/test_tensors.h"

namespace rotor {
namespace {

using testing::HasSubstr;

constexpr TernaryBlock kAll[] = {
    TernaryBlock::kTQ1_0,    TernaryBlock::kTQ2_0, TernaryBlock::kQ1_0,  TernaryBlock::kQ2_0_64,
    TernaryBlock::kQ2_0_128, TernaryBlock::kPQ2_0, TernaryBlock::kPTQ1_0};

GgufFile file_of(const std::string& content, uint64_t cols, uint64_t rows, uint32_t type) {
  test::GgufBytes bytes;
  bytes.add_tensor("w", {cols, rows}, type, content);
  auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

struct Example {
  std::vector<int8_t> trits;
  std::vector<float> scales;
  std::string content;
};

Example example(TernaryBlock block, size_t rows, size_t cols) {
  Example e;
  e.trits = test::random_trits(rows * cols, static_cast<uint32_t>(block));
  for (int8_t& trit : e.trits) {
    trit = block == TernaryBlock::kQ1_0 && trit == 0 ? 1 : trit;
  }
  for (size_t i = 0; i < rows * cols / ternary_block_info(block).elements; ++i) {
    e.scales.push_back(0.5f + 0.25f * static_cast<float>(i % 5));
  }
  e.content = test::block_bytes(block, e.trits, e.scales);
  return e;
}

TEST(TernaryBlocks, ReadsEveryRangeOfRows) {
  for (const TernaryBlock block : kAll) {
    const TernaryBlockInfo& info = ternary_block_info(block);
    const size_t rows = 5;
    const size_t cols = 3 * info.elements;
    const Example e = example(block, rows, cols);
    const GgufFile file = file_of(e.content, cols, rows, info.type);
    const GgufTensor& described = *file.find_tensor("w");
    ASSERT_EQ(find_ternary_block(described), block) << info.name;
    const auto tensor = TernaryBlockTensor::open(file, described, block);
    ASSERT_TRUE(tensor.ok()) << tensor.status().message();
    EXPECT_EQ(tensor->rows(), rows);
    EXPECT_EQ(tensor->cols(), cols);
    const size_t stride = cols + 3;
    for (size_t begin = 0; begin <= rows; ++begin) {
      for (size_t end = begin; end <= rows; ++end) {
        std::vector<int8_t> out((end - begin) * stride, 9);
        ASSERT_TRUE(tensor->read_rows(begin, end, out.data(), stride).ok());
        for (size_t row = begin; row < end; ++row) {
          for (size_t col = 0; col < stride; ++col) {
            ASSERT_EQ(out[(row - begin) * stride + col], col < cols ? e.trits[row * cols + col] : 9)
                << info.name << ", " << begin << ".." << end << " at " << row << "," << col;
          }
        }
        std::vector<float> scales((end - begin) * 3);
        ASSERT_TRUE(tensor->read_scales(begin, end, scales.data()).ok());
        EXPECT_TRUE(std::equal(scales.begin(), scales.end(),
                               e.scales.begin() + static_cast<ptrdiff_t>(begin * 3)));
      }
    }
  }
}

// Whatever the codes of a block with scale 0 are, its weights are 0.
TEST(TernaryBlocks, AScaleOf0MeansZeros) {
  for (const TernaryBlock block : kAll) {
    const TernaryBlockInfo& info = ternary_block_info(block);
    const Example e = example(block, 1, info.elements);
    const GgufFile file =
        file_of(test::block_bytes(block, e.trits, {0.0f}), info.elements, 1, info.type);
    const auto tensor = TernaryBlockTensor::open(file, *file.find_tensor("w"), block);
    std::vector<int8_t> out(info.elements, 9);
    ASSERT_TRUE(tensor->read_rows(0, 1, out.data(), out.size()).ok());
    EXPECT_EQ(out, std::vector<int8_t>(info.elements, 0)) << info.name;
  }
}

// Every byte that is no number of digits, and code 3, wherever it stands, is named.
TEST(TernaryBlocks, BytesThatHoldNoTritsAreNamed) {
  for (const TernaryBlock block : kAll) {
    const TernaryBlockInfo& info = ternary_block_info(block);
    const Example e = example(block, 2, 2 * info.elements);
    size_t refused = 0;
    for (size_t at = info.bytes; at < 2 * info.bytes; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string content = e.content;
        content[at] = static_cast<char>(byte);
        const GgufFile file = file_of(content, 2 * info.elements, 2, info.type);
        const GgufTensor& described = *file.find_tensor("w");
        const auto tensor = TernaryBlockTensor::open(file, described, block);
        std::vector<int8_t> out(4 * info.elements);
        const Status status = tensor->read_rows(0, 2, out.data(), 2 * info.elements);
        if (!status.ok()) {
          ++refused;
          EXPECT_THAT(status.message(),
                      HasSubstr(" at offset " + std::to_string(described.offset + at)));
        }
      }
    }
    // 13 bytes are no five digits, 256 - 81 no four; of the bytes with codes 256 - 81 have code 3.
    const size_t expected = block == TernaryBlock::kTQ1_0    ? 48 * 13 + 4 * 175
                            : block == TernaryBlock::kPTQ1_0 ? 24 * 13 + 2 * 175
                            : block == TernaryBlock::kQ1_0   ? 0
                                                             : (info.bytes - 2) * 175;
    EXPECT_EQ(refused, expected) << info.name;
  }
}

TEST(TernaryBlocks, AScaleThatIsNoneIsNamed) {
  for (const TernaryBlock block : kAll) {
    const TernaryBlockInfo& info = ternary_block_info(block);
    for (const float bad : {-1.0f, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      Example e = example(block, 1, 2 * info.elements);
      e.scales[1] = bad;
      const GgufFile file = file_of(test::block_bytes(block, e.trits, e.scales), 2 * info.elements, 1,
                                    info.type);
      const GgufTensor& described = *file.find_tensor("w");
      const auto tensor = TernaryBlockTensor::open(file, described, block);
      std::vector<float> scales(2);
      const Status status = tensor->read_scales(0, 1, scales.data());
      EXPECT_EQ(status.code(), Code::kFormatError);
      EXPECT_THAT(status.message(), HasSubstr("the scale at offset " +
                                              std::to_string(described.offset + info.bytes +
                                                             info.scale_at)));
    }
  }
}

// Type 42 means Q2_0 with groups of 64 or of 128: the bytes tell, unless the padding hides them.
TEST(TernaryBlocks, OneIdOfTwoMeanings) {
  for (const TernaryBlock block : {TernaryBlock::kQ2_0_64, TernaryBlock::kQ2_0_128}) {
    const Example e = example(block, 64, 256);
    const GgufFile file = file_of(e.content, 256, 64, kGgufQ2_0);
    EXPECT_EQ(find_ternary_block(*file.find_tensor("w")), block);
  }
  const GgufFile other = file_of(std::string(64 * 64 + 32, '\0'), 256, 64, kGgufQ2_0);
  EXPECT_EQ(find_ternary_block(*other.find_tensor("w")), std::nullopt);
  test::GgufBytes small;
  small.add_tensor("a", {128, 1}, kGgufQ2_0, example(TernaryBlock::kQ2_0_128, 1, 128).content);
  small.add_tensor("b", {1, 1}, kGgufF32, std::string(4, '\0'));
  const auto file = GgufFile::parse(File::from_memory(small.bytes(), "t.gguf"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(find_ternary_block(*file->find_tensor("a")), std::nullopt);
}

TEST(TernaryBlocks, RowsOfPartsOfBlocksAreRefused) {
  const Example e = example(TernaryBlock::kQ2_0_64, 2, 64);
  const GgufFile file = file_of(e.content, 32, 4, kGgufQ2_0);
  const GgufTensor& described = *file.find_tensor("w");
  const auto tensor = TernaryBlockTensor::open(file, described, TernaryBlock::kQ2_0_64);
  ASSERT_FALSE(tensor.ok());
  EXPECT_THAT(tensor.status().message(), HasSubstr("whole blocks of 64"));
}

}  // namespace
}  // namespace rotor
