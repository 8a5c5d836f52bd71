// SPDX-License-Identifier: Apache-2.0
// Rows of every element type, in memory and in a file.
#include "model/float_rows.h"

#include <gtest/gtest.h>

#include "base/half.h"
#include "model/test_model.h"

namespace rotor {
namespace {

constexpr size_t kCols = 32;

std::vector<float> decoded(FloatType type, const void* bytes) {
  std::vector<float> out(kCols);
  decode_row(type, static_cast<const std::byte*>(bytes), kCols,
             kernel_table(IsaLevel::kScalar).from_f16, out.data());
  return out;
}

TEST(FloatRows, DecodesEveryTypeExactly) {
  std::vector<float> expected(kCols);
  uint16_t f16[kCols];
  uint16_t bf16[kCols];
  uint8_t q8[34] = {0x00, 0x38};  // a scale of 0.5
  for (size_t i = 0; i < kCols; ++i) {
    expected[i] = 0.5f * static_cast<float>(static_cast<int>(i) - 16);
    f16[i] = float_to_f16(expected[i]);
    bf16[i] = float_to_bf16(expected[i]);
    q8[i + 2] = static_cast<uint8_t>(i - 16);
  }
  EXPECT_EQ(decoded(FloatType::kF32, expected.data()), expected);
  EXPECT_EQ(decoded(FloatType::kF16, f16), expected);
  EXPECT_EQ(decoded(FloatType::kBf16, bf16), expected);
  EXPECT_EQ(decoded(FloatType::kQ8_0, q8), expected);
}

// Four rows of two bf16 columns, whose bytes count up.
FloatMatrix counting_matrix(bool in_memory) {
  FloatMatrix matrix;
  matrix.rows = 4;
  matrix.cols = 2;
  std::vector<std::byte> bytes(16);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(i);
  }
  if (in_memory) {
    matrix.data = *Buffer::allocate(bytes.size());
    std::copy(bytes.begin(), bytes.end(), matrix.data.data());
  } else {
    matrix.file = std::make_shared<VectorRows>(matrix.row_bytes(), std::move(bytes));
  }
  return matrix;
}

TEST(FloatRows, RowsComeFromMemoryOrFile) {
  for (const bool in_memory : {true, false}) {
    const FloatMatrix matrix = counting_matrix(in_memory);
    std::byte scratch[8] = {};
    const auto bytes = row_bytes_of(matrix, 1, 3, scratch);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(*bytes == scratch, !in_memory);
    for (size_t i = 0; i < 8; ++i) {
      EXPECT_EQ((*bytes)[i], static_cast<std::byte>(4 + i));
    }
  }
}

class BrokenRows final : public FloatReader {
 public:
  Status read(size_t, size_t, std::byte*) const override { return io_error("gone"); }
};

TEST(FloatRows, AFailedReadIsAnError) {
  FloatMatrix matrix = counting_matrix(true);
  matrix.file = std::make_shared<BrokenRows>();
  std::byte scratch[4];
  EXPECT_EQ(row_bytes_of(matrix, 0, 1, scratch).status().code(), Code::kIoError);
}

}  // namespace
}  // namespace rotor
