// SPDX-License-Identifier: Apache-2.0
// IqBnTensor against plain packers, for every type and range of rows, and each way a tensor can be
// wrong.
#include "io/iq_bn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "io/test_tensors.h"

namespace rotor {
namespace {

using testing::HasSubstr;

constexpr IqBn kAll[] = {IqBn::kIQ1_BN, IqBn::kIQ2_BN, IqBn::kIQ2_BN_R4};
constexpr size_t kRows = 8;
constexpr size_t kCols = 192;

uint32_t type_of(IqBn kind) {
  return kind == IqBn::kIQ1_BN ? 134 : kind == IqBn::kIQ2_BN ? 135 : 335;
}

GgufFile file_of(const std::string& content, uint64_t cols, uint64_t rows, IqBn kind) {
  test::GgufBytes bytes;
  bytes.add_tensor("w", {cols, rows}, type_of(kind), content);
  auto file = GgufFile::parse(File::from_memory(bytes.bytes(), "t.gguf"));
  EXPECT_TRUE(file.ok()) << file.status().message();
  return *std::move(file);
}

std::vector<float> some_scales() {
  std::vector<float> scales;
  for (size_t r = 0; r < kRows; ++r) {
    scales.push_back(0.5f + 0.25f * static_cast<float>(r));
  }
  return scales;
}

TEST(IqBn, ReadsEveryRangeOfRows) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  for (const IqBn kind : kAll) {
    const std::vector<float> scales = some_scales();
    const GgufFile file = file_of(test::iq_bn_bytes(kind, trits, kCols, scales), kCols, kRows, kind);
    ASSERT_EQ(find_iq_bn(*file.find_tensor("w")), kind);
    const auto tensor = IqBnTensor::open(file, *file.find_tensor("w"), kind);
    ASSERT_TRUE(tensor.ok()) << tensor.status().message();
    EXPECT_EQ(tensor->rows(), kRows);
    EXPECT_EQ(tensor->cols(), kCols);
    const size_t stride = kCols + 3;
    for (size_t begin = 0; begin <= kRows; ++begin) {
      for (size_t end = begin; end <= kRows; ++end) {
        std::vector<int8_t> out((end - begin) * stride, 9);
        ASSERT_TRUE(tensor->read_rows(begin, end, out.data(), stride).ok());
        for (size_t row = begin; row < end; ++row) {
          for (size_t col = 0; col < stride; ++col) {
            ASSERT_EQ(out[(row - begin) * stride + col],
                      col < kCols ? trits[row * kCols + col] : 9)
                << iq_bn_name(kind) << ", " << begin << ".." << end << " at " << row << "," << col;
          }
        }
        std::vector<float> got(end - begin);
        ASSERT_TRUE(tensor->read_scales(begin, end, got.data()).ok());
        EXPECT_TRUE(std::equal(got.begin(), got.end(),
                               scales.begin() + static_cast<ptrdiff_t>(begin)));
      }
    }
  }
}

TEST(IqBn, AScaleOf0MeansZeros) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  for (const IqBn kind : kAll) {
    std::vector<float> scales = some_scales();
    scales[5] = 0.0f;
    const GgufFile file = file_of(test::iq_bn_bytes(kind, trits, kCols, scales), kCols, kRows, kind);
    const auto tensor = IqBnTensor::open(file, *file.find_tensor("w"), kind);
    std::vector<int8_t> out(2 * kCols, 9);
    ASSERT_TRUE(tensor->read_rows(4, 6, out.data(), kCols).ok());
    EXPECT_EQ(out[0], trits[4 * kCols]);
    EXPECT_EQ(std::vector<int8_t>(out.begin() + kCols, out.end()), std::vector<int8_t>(kCols, 0));
  }
}

// Every byte that is no number of digits, and code 3, wherever it stands, is named.
TEST(IqBn, BytesThatHoldNoTritsAreNamed) {
  const std::vector<int8_t> trits = test::random_trits(4 * 64);
  for (const IqBn kind : kAll) {
    const std::string content = test::iq_bn_bytes(kind, trits, 64, {1, 1, 1, 1});
    const size_t scale = kind == IqBn::kIQ1_BN ? 2 : 4;
    const size_t row = content.size() / 4;
    size_t refused = 0;
    for (size_t at = 0; at < content.size(); ++at) {
      const bool in_scale = kind == IqBn::kIQ2_BN_R4 ? at < 4 * scale : at % row < scale;
      for (int byte = 0; byte < 256 && !in_scale; ++byte) {
        std::string damaged = content;
        damaged[at] = static_cast<char>(byte);
        const GgufFile file = file_of(damaged, 64, 4, kind);
        const GgufTensor& described = *file.find_tensor("w");
        const auto tensor = IqBnTensor::open(file, described, kind);
        std::vector<int8_t> out(4 * 64);
        const Status status = tensor->read_rows(0, 4, out.data(), 64);
        if (!status.ok()) {
          ++refused;
          EXPECT_EQ(status.code(), Code::kFormatError);
          EXPECT_THAT(status.message(),
                      HasSubstr(" at offset " + std::to_string(described.offset + at)));
        }
      }
    }
    // 13 bytes are no five digits, 256 - 81 no four; 256 - 81 bytes have code 3.
    EXPECT_EQ(refused, kind == IqBn::kIQ1_BN ? 4u * (12 * 13 + 175) : 4u * 16 * 175);
  }
}

TEST(IqBn, AScaleThatIsNoneIsNamed) {
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  for (const IqBn kind : kAll) {
    for (const float bad : {-1.0f, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> scales = some_scales();
      scales[6] = bad;
      const std::string content = test::iq_bn_bytes(kind, trits, kCols, scales);
      const GgufFile file = file_of(content, kCols, kRows, kind);
      const GgufTensor& described = *file.find_tensor("w");
      const auto tensor = IqBnTensor::open(file, described, kind);
      std::vector<float> got(kRows);
      const Status status = tensor->read_scales(0, kRows, got.data());
      EXPECT_EQ(status.code(), Code::kFormatError);
      const size_t at = kind == IqBn::kIQ2_BN_R4 ? content.size() / 2 + 8 : content.size() / 8 * 6;
      EXPECT_THAT(status.message(),
                  HasSubstr("the scale at offset " + std::to_string(described.offset + at)));
    }
  }
}

// Files of the time when IQ1_BN and IQ2_BN had no scales are 2 or 4 bytes a row smaller.
TEST(IqBn, OtherSizesAndShapesAreRefused) {
  for (const IqBn kind : kAll) {
    const size_t bytes = test::iq_bn_bytes(kind, test::random_trits(kRows * kCols), kCols,
                                           some_scales()).size();
    for (const size_t wrong : {bytes - 16, bytes - 1, bytes + 64}) {
      const GgufFile file = file_of(std::string(wrong, '\0'), kCols, kRows, kind);
      const auto tensor = IqBnTensor::open(file, *file.find_tensor("w"), kind);
      EXPECT_EQ(tensor.status().code(), Code::kFormatError);
      EXPECT_THAT(tensor.status().message(), HasSubstr("but this tensor takes " +
                                                       std::to_string(wrong)));
    }
    const GgufFile part = file_of(std::string(bytes, '\0'), 96, 2 * kRows, kind);
    EXPECT_THAT(IqBnTensor::open(part, *part.find_tensor("w"), kind).status().message(),
                HasSubstr("whole blocks of 64"));
  }
  const GgufFile rows = file_of(std::string(4096, '\0'), 64, 6, IqBn::kIQ2_BN_R4);
  EXPECT_THAT(IqBnTensor::open(rows, *rows.find_tensor("w"), IqBn::kIQ2_BN_R4).status().message(),
              HasSubstr("groups of 4 rows"));
}

}  // namespace
}  // namespace rotor
