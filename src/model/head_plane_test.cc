// SPDX-License-Identifier: Apache-2.0
// The coarse head: codes in their places, and bounds that hold against binary64, for rows of every
// size and shape.
#include "model/head_plane.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace rotor {
namespace {

int code_at(const HeadPlane& plane, size_t row, size_t col) {
  const uint8_t* group = plane.row_block(row / 16) + col / 16 * 192 + row % 16 * 4 + col % 4;
  if (col % 16 < 12) {
    return group[col % 16 / 4 * 64] % 64;
  }
  return group[0] / 64 + group[64] / 64 * 4 + group[128] / 64 * 16;
}

int rest_at(const HeadPlane& plane, size_t row, size_t col) {
  return plane.row_rests(row)[col / 256 * 64 + col % 64] >> (2 * (col % 256 / 64)) & 3;
}

int q_at(const HeadPlane& plane, size_t row, size_t col) {
  return 4 * code_at(plane, row, col) + rest_at(plane, row, col) - 128;
}

void expect_bounds(const HeadPlane& plane, size_t row, const std::vector<float>& w) {
  long double error = 0;
  long double coarse_error = 0;
  long double norm = 0;
  for (size_t c = 0; c < w.size(); ++c) {
    const long double scale = plane.scale[row];
    const long double left = w[c] - scale * q_at(plane, row, c);
    const long double coarse_left = w[c] - scale * (4 * code_at(plane, row, c) + 1.5L - 128);
    error += left * left;
    coarse_error += coarse_left * coarse_left;
    norm += static_cast<long double>(w[c]) * w[c];
  }
  EXPECT_GE(plane.error[row], std::sqrt(error)) << "row " << row;
  EXPECT_GE(plane.coarse_error[row], std::sqrt(coarse_error)) << "row " << row;
  EXPECT_GE(plane.norm[row], std::sqrt(norm)) << "row " << row;
  if (plane.scale[row] != 0) {  // and not much more than that
    const long double rounding = std::sqrt(norm) * 2e-6L;
    EXPECT_LE(plane.norm[row], std::sqrt(norm) * 1.01L);
    EXPECT_LE(plane.error[row], std::sqrt(error) * 1.01L + rounding);
    EXPECT_LE(plane.coarse_error[row], std::sqrt(coarse_error) * 1.01L + rounding);
  }
}

TEST(HeadPlane, CodesAndRestsHaveTheirPlaces) {
  HeadPlane plane = std::move(*HeadPlane::allocate(18, 470));
  EXPECT_EQ(plane.padded_cols, 512u);
  EXPECT_EQ(plane.rest_cols, 512u);
  EXPECT_EQ(plane.codes.size(), 32u * 512 * 3 / 4);
  EXPECT_EQ(plane.rests.size(), 18u * 512 / 4);
  for (size_t row = 0; row < 18; ++row) {
    std::vector<float> w(470);
    for (size_t c = 0; c < w.size(); ++c) {
      w[c] = static_cast<float>((row * 31 + c * 7) % 255) - 127.0f;
    }
    w[row] = -127;  // the largest: one step is 1
    ASSERT_TRUE(plane.fill_row(row, w.data()));
    EXPECT_EQ(plane.scale[row], 1.0f);
    for (size_t c = 0; c < w.size(); ++c) {
      EXPECT_EQ(q_at(plane, row, c), static_cast<int>(w[c])) << row << ", " << c;
    }
    expect_bounds(plane, row, w);
  }
}

TEST(HeadPlane, BoundsHold) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const size_t cols : {size_t{1}, size_t{15}, size_t{64}, size_t{384}, size_t{2560}}) {
    HeadPlane plane = std::move(*HeadPlane::allocate(16, cols));
    const float sizes[] = {1e-38f, 1e-12f, 1e-8f, 1e-3f, 0.02f, 1.0f, 1e3f, 1e12f};
    for (size_t row = 0; row < 16; ++row) {
      std::vector<float> w(cols);
      for (float& value : w) {
        value = normal(random) * sizes[row / 2];
      }
      if (row % 2 != 0) {
        w[cols / 2] *= 1000;  // an outlier takes the steps from all others
      }
      ASSERT_TRUE(plane.fill_row(row, w.data()));
      expect_bounds(plane, row, w);
    }
  }
}

TEST(HeadPlane, LargeHeadsAreKeptInTwoStages) {
  const uint64_t large = 128256u * 2560u * 2u;
  EXPECT_TRUE(in_two_stages(HeadMode::kAuto, large, 2560));
  EXPECT_FALSE(in_two_stages(HeadMode::kAuto, 4096 * 384 * 2, 384));
  EXPECT_FALSE(in_two_stages(HeadMode::kFull, large, 2560));
  EXPECT_TRUE(in_two_stages(HeadMode::kTwoStage, 100, 10));
  EXPECT_FALSE(in_two_stages(HeadMode::kTwoStage, large, HeadPlane::kMaxCols + 1));
}

TEST(HeadPlane, ZeroRowsHaveNoError) {
  HeadPlane plane = std::move(*HeadPlane::allocate(1, 64));
  ASSERT_TRUE(plane.fill_row(0, std::vector<float>(64).data()));
  EXPECT_EQ(plane.scale[0], 0.0f);
  EXPECT_EQ(plane.error[0], 0.0f);
  EXPECT_EQ(plane.coarse_error[0], 0.0f);
  EXPECT_EQ(plane.norm[0], 0.0f);
}

TEST(HeadPlane, RowsWithoutABoundAreRefused) {
  HeadPlane plane = std::move(*HeadPlane::allocate(1, 64));
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf(""), -1e30f}) {
    std::vector<float> w(64, 1.0f);
    w[63] = bad;
    EXPECT_FALSE(plane.fill_row(0, w.data())) << bad;
  }
}

}  // namespace
}  // namespace rotor
