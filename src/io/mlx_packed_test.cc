// SPDX-License-Identifier: Apache-2.0
// MlxPackedTensor against a plain packer, and what is not ternary or not whole.
#include "io/mlx_packed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/half.h"
#include "base/test_folder.h"
#include "io/test_tensors.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr size_t kRows = 5;
constexpr size_t kCols = 384;
constexpr size_t kGroup = 128;
constexpr size_t kGroups = kCols / kGroup;

// The three tensors in one file, open to be spoiled.
struct Matrix {
  std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  std::vector<float> scales;
  std::string packed;
  std::string scale_bytes;
  std::string bias_bytes;
  std::string dtype = "F16";
  size_t item = 2;

  explicit Matrix(const std::string& type = "F16") : dtype(type), item(type == "F32" ? 4 : 2) {
    for (size_t i = 0; i < kRows * kGroups; ++i) {
      scales.push_back(0.25f + 0.125f * static_cast<float>(i % 9));
    }
    for (size_t word = 0; word < trits.size() / 16; ++word) {
      uint32_t bits = 0;
      for (size_t i = 0; i < 16; ++i) {
        bits |= static_cast<uint32_t>(trits[word * 16 + i] + 1) << (2 * i);
      }
      test::put(packed, bits);
    }
    for (const float scale : scales) {
      put(scale_bytes, scale);
      put(bias_bytes, -scale);
    }
  }
  void put(std::string& bytes, float value) const {
    if (dtype == "F32") {
      test::put(bytes, value);
    } else {
      test::put(bytes, dtype == "F16" ? float_to_f16(value) : float_to_bf16(value));
    }
  }
  void set(std::string& bytes, size_t index, float value) const {
    std::string one;
    put(one, value);
    bytes.replace(index * item, item, one);
  }
  std::string file() const {
    const auto entry = [](const std::string& name, const std::string& type, size_t cols, size_t begin,
                          size_t bytes) {
      return "\"" + name + R"(":{"dtype":")" + type + R"(","shape":[)" + std::to_string(kRows) + "," +
             std::to_string(cols) + R"(],"data_offsets":[)" + std::to_string(begin) + "," +
             std::to_string(begin + bytes) + "]}";
    };
    const size_t scales_at = packed.size();
    const size_t biases_at = scales_at + scale_bytes.size();
    return test::safetensors_bytes(
        "{" + entry("w.weight", "U32", kCols / 16, 0, packed.size()) + "," +
            entry("w.scales", dtype, kGroups, scales_at, scale_bytes.size()) + "," +
            entry("w.biases", dtype, kGroups, biases_at, bias_bytes.size()) + "}",
        packed + scale_bytes + bias_bytes);
  }
};

// An open matrix and the file that it reads.
struct Opened {
  explicit Opened(const Matrix& matrix)
      : set(*SafetensorsSet::open(folder.put("model.safetensors", matrix.file()))) {}
  Result<MlxPackedTensor> tensor(uint64_t rows = kRows, uint64_t cols = kCols,
                                 uint64_t group = kGroup) const {
    return MlxPackedTensor::open({set.find("w.weight"), set.find("w.scales"), set.find("w.biases")}, rows,
                                 cols, group);
  }
  Status read() const {
    const auto opened = tensor();
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    std::vector<int8_t> trits(kRows * kCols);
    const Status status = opened->read_rows(0, kRows, trits.data(), kCols);
    std::vector<float> scales(kRows * kGroups);
    const Status of_scales = opened->read_scales(0, kRows, scales.data());
    return status.ok() ? of_scales : status;
  }
  uint64_t offset(const char* name) const { return set.find(name).tensor->offset; }

  test::TestFolder folder;
  SafetensorsSet set;
};

TEST(MlxPacked, ReadsEveryRangeOfRows) {
  for (const char* const type : {"F16", "BF16", "F32"}) {
    const Matrix matrix(type);
    const Opened opened(matrix);
    const auto tensor = opened.tensor();
    ASSERT_TRUE(tensor.ok()) << tensor.status().message();
    const size_t stride = kCols + 3;
    for (size_t begin = 0; begin <= kRows; ++begin) {
      for (size_t end = begin; end <= kRows; ++end) {
        std::vector<int8_t> out((end - begin) * stride, 9);
        ASSERT_TRUE(tensor->read_rows(begin, end, out.data(), stride).ok());
        for (size_t row = begin; row < end; ++row) {
          for (size_t col = 0; col < stride; ++col) {
            ASSERT_EQ(out[(row - begin) * stride + col],
                      col < kCols ? matrix.trits[row * kCols + col] : 9);
          }
        }
        std::vector<float> scales((end - begin) * kGroups);
        ASSERT_TRUE(tensor->read_scales(begin, end, scales.data()).ok());
        EXPECT_TRUE(std::equal(scales.begin(), scales.end(),
                               matrix.scales.begin() + static_cast<ptrdiff_t>(begin * kGroups)));
      }
    }
  }
}

// MLX itself picks the sign of a scale; code 0 is then +1.
TEST(MlxPacked, ANegativeScaleTurnsTheSignsAndZeroMeansZeros) {
  Matrix matrix;
  matrix.set(matrix.scale_bytes, 1, -2.0f);
  matrix.set(matrix.bias_bytes, 1, 2.0f);
  matrix.set(matrix.scale_bytes, 2, 0.0f);
  matrix.set(matrix.bias_bytes, 2, 0.0f);
  const Opened opened(matrix);
  const auto tensor = opened.tensor();
  std::vector<int8_t> trits(kCols);
  std::vector<float> scales(kGroups);
  ASSERT_TRUE(tensor->read_rows(0, 1, trits.data(), kCols).ok());
  ASSERT_TRUE(tensor->read_scales(0, 1, scales.data()).ok());
  EXPECT_EQ(scales, (std::vector<float>{0.25f, 2.0f, 0.0f}));
  for (size_t i = 0; i < kCols; ++i) {
    const int expected = i < kGroup ? matrix.trits[i] : i < 2 * kGroup ? -matrix.trits[i] : 0;
    EXPECT_EQ(trits[i], expected) << i;
  }
}

TEST(MlxPacked, WhatIsNotTernaryIsNamed) {
  Matrix code;
  code.packed[377] = static_cast<char>(code.packed[377] | 0x30);
  const Opened coded(code);
  EXPECT_EQ(coded.read().code(), Code::kUnsupported);
  EXPECT_THAT(coded.read().message(),
              AllOf(HasSubstr("w.weight"), HasSubstr("not ternary"),
                    HasSubstr("at offset " + std::to_string(coded.offset("w.weight") + 377))));
  for (const float bias : {-0.5001f, 0.5f, 0.0f, std::nanf("")}) {
    Matrix biased("F32");
    biased.set(biased.scale_bytes, 4, 0.5f);
    biased.set(biased.bias_bytes, 4, bias);
    const Opened opened(biased);
    EXPECT_EQ(opened.read().code(), Code::kUnsupported);
    EXPECT_THAT(opened.read().message(),
                AllOf(HasSubstr("w.biases"), HasSubstr("not ternary"),
                      HasSubstr("at offset " + std::to_string(opened.offset("w.biases") + 16))));
  }
}

TEST(MlxPacked, ScalesThatAreNoNumbersAreNamed) {
  for (const float bad : {std::nanf(""), HUGE_VALF}) {
    Matrix matrix;
    matrix.set(matrix.scale_bytes, 7, bad);
    const Opened opened(matrix);
    EXPECT_EQ(opened.read().code(), Code::kFormatError);
    EXPECT_THAT(opened.read().message(),
                AllOf(HasSubstr("w.scales"),
                      HasSubstr("at offset " + std::to_string(opened.offset("w.scales") + 14))));
  }
}

TEST(MlxPacked, OtherShapesAndTypesAreRefused) {
  const Opened opened{Matrix()};
  EXPECT_THAT(opened.tensor(kRows, kCols, 256).status().message(), HasSubstr("no whole groups of 256"));
  EXPECT_THAT(opened.tensor(kRows, kCols, 64).status().message(),
              AllOf(HasSubstr("w.scales"), HasSubstr("shape [5, 6]")));
  EXPECT_THAT(opened.tensor(kRows + 1).status().message(),
              AllOf(HasSubstr("w.weight"), HasSubstr("shape [6, 24]")));
  EXPECT_THAT(MlxPackedTensor::open({opened.set.find("w.scales"), opened.set.find("w.scales"),
                                     opened.set.find("w.biases")},
                                    kRows, kCols, kGroup)
                  .status()
                  .message(),
              HasSubstr("in each U32"));
  EXPECT_THAT(MlxPackedTensor::open({opened.set.find("w.weight"), opened.set.find("w.weight"),
                                     opened.set.find("w.biases")},
                                    kRows, kCols, kGroup)
                  .status()
                  .message(),
              HasSubstr("expected F16, BF16 or F32"));
}

}  // namespace
}  // namespace rotor
