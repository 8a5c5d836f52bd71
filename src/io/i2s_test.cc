// SPDX-License-Identifier: Apache-2.0
// I2sTensor against plain packers, for every layout, odd
// row lengths and every range of rows; and each way a tensor can be wrong.
#include "io/i2s.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "io/test_tensors.h"

namespace rotor {
namespace {

using testing::HasSubstr;

GgufFile file_of(const std::string& content, uint64_t cols, uint64_t rows,
                 uint32_t type = kGgufI2S) {
  test::GgufBytes bytes;
  bytes.add_tensor("w", {cols, rows}, type, content);
  auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

struct Case {
  I2sLayout layout;
  size_t rows;
  size_t cols;
};

class I2s : public testing::TestWithParam<Case> {};

TEST_P(I2s, ReadsEveryRangeOfRows) {
  const auto [layout, rows, cols] = GetParam();
  const std::vector<int8_t> trits = test::random_trits(rows * cols);
  const GgufFile file = file_of(test::i2s_bytes(trits, cols, layout, 1.25f), cols, rows);
  const auto tensor = I2sTensor::open(file, *file.find_tensor("w"), layout);
  ASSERT_TRUE(tensor.ok()) << tensor.status().message();
  EXPECT_EQ(tensor->multiplier(), 1.25f);
  EXPECT_EQ(tensor->rows(), rows);
  EXPECT_EQ(tensor->cols(), cols);
  const size_t stride = cols + 3;
  for (size_t begin = 0; begin <= rows; ++begin) {
    for (size_t end = begin; end <= rows; ++end) {
      std::vector<int8_t> out((end - begin) * stride, 9);
      ASSERT_TRUE(tensor->read_rows(begin, end, out.data(), stride).ok());
      for (size_t row = begin; row < end; ++row) {
        for (size_t col = 0; col < stride; ++col) {
          ASSERT_EQ(out[(row - begin) * stride + col], col < cols ? trits[row * cols + col] : 9)
              << begin << ".." << end << " at " << row << "," << col;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, I2s,
                         testing::Values(Case{I2sLayout::k128, 3, 256},
                                         Case{I2sLayout::k128, 8, 80},
                                         Case{I2sLayout::k128, 128, 1},
                                         Case{I2sLayout::k64, 5, 128}, Case{I2sLayout::k64, 4, 80},
                                         Case{I2sLayout::k1x4, 8, 33},
                                         Case{I2sLayout::k1x4, 4, 128}));

TEST(I2sErrors, Code3IsNamedByItsOffset) {
  for (const I2sLayout layout : {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4}) {
    std::string content = test::i2s_bytes(test::random_trits(16 * 512), 512, layout, 1.0f);
    content[1500] = static_cast<char>(0x30);
    const GgufFile file = file_of(content, 512, 16);
    const GgufTensor& described = *file.find_tensor("w");
    const auto tensor = I2sTensor::open(file, described, layout);
    ASSERT_TRUE(tensor.ok());
    std::vector<int8_t> out(16 * 512);
    const Status status = tensor->read_rows(0, 16, out.data(), 512);
    EXPECT_EQ(status.code(), Code::kFormatError);
    EXPECT_THAT(status.message(),
                HasSubstr("byte 0x30 at offset " + std::to_string(described.offset + 1500)));
    EXPECT_TRUE(tensor->read_rows(0, 1, out.data(), 512).ok());  // not its rows
  }
}

TEST(I2sErrors, WrongSizesAndScales) {
  const auto open = [](const GgufFile& file, I2sLayout layout) {
    const auto tensor = I2sTensor::open(file, *file.find_tensor("w"), layout);
    return tensor.ok() ? "accepted" : tensor.status().message();
  };
  const std::string good = test::i2s_bytes(test::random_trits(512), 128, I2sLayout::k128, 1.0f);
  EXPECT_EQ(open(file_of(good, 128, 4), I2sLayout::k128), "accepted");
  EXPECT_THAT(open(file_of(good.substr(0, 159), 128, 4), I2sLayout::k128),
              HasSubstr("I2_S of 512 elements has 160 bytes"));
  EXPECT_THAT(open(file_of(good + std::string(32, 'x'), 128, 4), I2sLayout::k128),
              HasSubstr("this tensor takes 192"));
  EXPECT_THAT(open(file_of(std::string(41, 'x'), 6, 6), I2sLayout::k128),
              HasSubstr("no whole number of blocks"));
  EXPECT_THAT(open(file_of(std::string(48, 'x'), 64, 1), I2sLayout::k128),
              HasSubstr("no whole number of blocks"));
  EXPECT_THAT(open(file_of(std::string(64, 'x'), 64, 2), I2sLayout::k1x4),
              HasSubstr("no whole number of blocks"));
  EXPECT_THAT(open(file_of(std::string(512, 'x'), 128, 1, kGgufF32), I2sLayout::k128),
              HasSubstr("expected a matrix of type I2_S, found 2 dimensions of F32"));
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const std::string content = test::i2s_bytes(test::random_trits(512), 128, I2sLayout::k128, bad);
    EXPECT_THAT(open(file_of(content, 128, 4), I2sLayout::k128), HasSubstr("is not finite"));
  }
}

TEST(I2sErrors, LayoutNames) {
  for (const I2sLayout layout : {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4}) {
    EXPECT_EQ(parse_i2s_layout(i2s_layout_name(layout)), layout);
  }
  EXPECT_EQ(parse_i2s_layout("256"), std::nullopt);
}

}  // namespace
}  // namespace rotor
