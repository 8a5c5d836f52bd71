// SPDX-License-Identifier: Apache-2.0
// Rows of trits times scales, exact in every plain float type.
#include "model/ternary_rows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "io/test_tensors.h"
#include "model/test_files.h"

namespace rotor {
namespace {

TEST(TernaryRows, AreExactInEveryType) {
  constexpr size_t kRows = 5;
  constexpr size_t kCols = 160;  // the last group has 32 columns
  const std::vector<int8_t> trits = test::random_trits(kRows * kCols);
  const auto scale = [](size_t row, size_t group) {
    return 0.5f + 0.25f * static_cast<float>(3 * row + group);
  };
  std::vector<float> values;
  for (size_t i = 0; i < trits.size(); ++i) {
    values.push_back(static_cast<float>(trits[i]) * scale(i / kCols, i % kCols / 64));
  }
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    const TernaryRows reader(
        type, kCols, 64,
        [&](size_t begin, size_t end, int8_t* out) -> Status {
          std::memcpy(out, trits.data() + begin * kCols, (end - begin) * kCols);
          return {};
        },
        [&](size_t begin, size_t end, float* out) -> Status {
          for (size_t row = begin; row < end; ++row) {
            for (size_t group = 0; group < 3; ++group) {
              *out++ = scale(row, group);
            }
          }
          return {};
        });
    const std::string expected = test::float_bytes(type, values);
    const size_t row_bytes = expected.size() / kRows;
    std::string got(3 * row_bytes, '\0');
    ASSERT_TRUE(reader.read(1, 4, reinterpret_cast<std::byte*>(got.data())).ok());
    EXPECT_EQ(got, expected.substr(row_bytes, got.size()));
  }
}

TEST(TernaryRows, ErrorsArePassedOn) {
  const auto fine = [](size_t, size_t, int8_t*) -> Status { return {}; };
  const auto gone = [](size_t, size_t, float*) -> Status { return io_error("gone"); };
  std::byte out[4];
  EXPECT_EQ(TernaryRows(FloatType::kF16, 2, 64, fine, gone).read(0, 1, out).code(), Code::kIoError);
}

}  // namespace
}  // namespace rotor
