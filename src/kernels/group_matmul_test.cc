// SPDX-License-Identifier: Apache-2.0
// Products with scales of groups against their definition on plain trits, bit for bit: all tails, all
// group sizes, batches, scales of all magnitudes, and the sums that fill 16-bit lanes.
#include <algorithm>
#include <cmath>
#include <functional>

#include "base/half.h"
#include "kernels/kernel_check.h"
#include "ternary/reference.h"

namespace rotor {
namespace {

struct Case {
  size_t row_blocks;
  size_t cols;
  size_t group_cols;
  size_t batch;
  std::function<int8_t(size_t r, size_t c)> trit;
  std::function<int8_t(size_t b, size_t c)> x;
  std::function<float(size_t r, size_t g)> scale;
};

GroupScaleType type_of(const std::string& name) {
  return name.ends_with("_f16") ? GroupScaleType::kF16 : GroupScaleType::kF32;
}

// x_running of kernel_types.h: (batch, stride).
std::vector<int32_t> running_sums(const Case& c, const std::vector<int8_t>& x, size_t stride) {
  std::vector<int32_t> sums(c.batch * stride);
  for (size_t b = 0; b < c.batch; ++b) {
    for (size_t i = 1; i < stride; ++i) {
      sums[b * stride + i] = sums[b * stride + i - 1];
      for (size_t col = (i - 1) * kRunningCols; col < std::min(c.cols, i * kRunningCols); ++col) {
        sums[b * stride + i] += x[b * c.cols + col];
      }
    }
  }
  return sums;
}

void check_case(GroupScaleType type, GroupMatmul kernel, const Case& c) {
  constexpr TernaryFormat kFormat = TernaryFormat::kI2;
  const GroupShape shape{c.group_cols, type};
  const size_t rows = c.row_blocks * kTileRows;
  const size_t groups = shape.groups(c.cols);
  const size_t tiles = tiles_per_row_block(kFormat, c.cols);
  std::vector<int8_t> trits(rows * c.cols);
  std::vector<int8_t> x(c.batch * c.cols);
  std::vector<float> scales(rows * groups);
  for (size_t i = 0; i < trits.size(); ++i) {
    trits[i] = c.trit(i / c.cols, i % c.cols);
  }
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = c.x(i / c.cols, i % c.cols);
  }
  for (size_t i = 0; i < scales.size(); ++i) {
    const float scale = c.scale(i / groups, i % groups);
    scales[i] = type == GroupScaleType::kF16 ? f16_to_float(float_to_f16(scale)) : scale;
  }
  std::vector<float> expected(c.batch * rows);
  reference_group_matmul(trits.data(), rows, c.cols, c.group_cols, scales.data(), x.data(), c.batch,
                         expected.data());

  GuardedArray<uint8_t> weights(packed_bytes(kFormat, rows, c.cols));
  GuardedArray<std::byte> packed_scales(c.row_blocks * group_scale_block_bytes(shape, c.cols));
  for (size_t block = 0; block < c.row_blocks; ++block) {
    format_info(kFormat).pack_row_block(trits.data() + block * kTileRows * c.cols, c.cols, c.cols,
                                        weights.data() + block * row_block_bytes(kFormat, c.cols));
    ASSERT_TRUE(pack_group_scales(
        type, scales.data() + block * kTileRows * groups, groups,
        packed_scales.data() + block * group_scale_block_bytes(shape, c.cols)));
  }
  const size_t x_stride = tiles * 16 + 3;
  GuardedArray<int8_t> padded((c.batch - 1) * x_stride + tiles * 16);
  std::fill(padded.begin(), padded.end(), int8_t{0});
  for (size_t b = 0; b < c.batch; ++b) {
    std::copy_n(x.data() + b * c.cols, c.cols, padded.data() + b * x_stride);
  }
  const size_t running_stride = groups * c.group_cols / kRunningCols + 1;
  const std::vector<int32_t> sums = running_sums(c, x, running_stride);
  GuardedArray<int32_t> running(sums.size());
  std::copy(sums.begin(), sums.end(), running.begin());

  constexpr float kUntouched = 123.25f;
  const size_t out_stride = rows + 5;
  GuardedArray<float> out((c.batch - 1) * out_stride + rows);
  std::fill(out.begin(), out.end(), kUntouched);
  kernel({weights.data(), c.row_blocks, row_block_bytes(kFormat, c.cols), tiles, c.group_cols / 16,
          packed_scales.data(), padded.data(), x_stride, running.data(), running_stride, c.batch,
          out.data(), out_stride});
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t b = i / out_stride;
    const size_t r = i % out_stride;
    const float want = r < rows ? expected[b * rows + r] : kUntouched;
    ASSERT_EQ(float_bits(out[i]), float_bits(want))
        << "batch row " << b << " of " << c.batch << ", matrix row " << r << " of " << rows
        << ", cols " << c.cols << " by " << c.group_cols << ": " << out[i] << " instead of " << want;
  }
}

// Scales of every magnitude that the product keeps finite, of both signs, some of them zero.
float any_scale(std::mt19937& random) {
  const float magnitude = std::ldexp(1.0f + static_cast<float>(random() % 4096) * 0x1p-12f,
                                     static_cast<int>(random() % 40) - 27);
  return random() % 16 == 0 ? 0.0f : random() % 2 == 0 ? magnitude : -magnitude;
}

Case random_case(size_t row_blocks, size_t cols, size_t group_cols, size_t batch, uint32_t seed) {
  auto random = std::make_shared<std::mt19937>(seed);
  return {row_blocks, cols, group_cols, batch,
          [=](size_t, size_t) { return static_cast<int8_t>(static_cast<int>((*random)() % 3) - 1); },
          [=](size_t, size_t) { return static_cast<int8_t>((*random)()); },
          [=](size_t, size_t) { return any_scale(*random); }};
}

void check_random(GroupScaleType type, GroupMatmul kernel, size_t group_cols) {
  for (size_t cols = 1; cols <= 700; cols += cols % 64 > 56 || cols % 64 < 8 ? 1 : 13) {
    const uint32_t seed = static_cast<uint32_t>(cols);
    check_case(type, kernel, random_case(1 + cols % 3, cols, group_cols, 1 + cols % 7, seed));
  }
  for (size_t batch = 1; batch <= 18; ++batch) {
    for (size_t row_blocks = 1; row_blocks <= 4; ++row_blocks) {
      check_case(type, kernel, random_case(row_blocks, 400, group_cols, batch, 7));
    }
  }
  for (const size_t cols : {size_t{512}, size_t{640}, size_t{2560}, size_t{6912}}) {
    for (const size_t row_blocks : {2, 3}) {
      check_case(type, kernel, random_case(row_blocks, cols, group_cols, 1, 11));
    }
    check_case(type, kernel, random_case(2, cols, group_cols, 5, 13));
  }
}

// All sums of one sign at the ends of the activation range, and scales at the ends of theirs.
void check_extremes(GroupScaleType type, GroupMatmul kernel, size_t group_cols) {
  const std::vector<float> scales = type == GroupScaleType::kF16
                                        ? std::vector<float>{0x1p-24f, 0x1.ff8p-15f, 65504.0f, 0.1f}
                                        : std::vector<float>{0x1p-149f, 0x1.8p-130f, 1e30f, 0.1f};
  for (const size_t cols : {size_t{16}, group_cols, 5 * group_cols - 16, 3 * group_cols + 1}) {
    for (const float scale : scales) {
      for (const int trit : {-1, 1}) {
        for (const int value : {-128, 127}) {
          for (const size_t batch : {1, 5}) {
            const auto same_trit = [=](size_t, size_t) { return static_cast<int8_t>(trit); };
            const auto same_scale = [=](size_t, size_t g) { return g % 2 == 0 ? scale : -scale; };
            check_case(type, kernel, {2, cols, group_cols, batch, same_trit,
                                      [=](size_t, size_t) { return static_cast<int8_t>(value); },
                                      same_scale});
            check_case(type, kernel,
                       {2, cols, group_cols, batch, same_trit,
                        [=](size_t, size_t c) {
                          return static_cast<int8_t>(c % 2 != 0 ? value : -1 - value);
                        },
                        same_scale});
          }
        }
      }
    }
  }
}

}  // namespace

void check_kernel(const std::string& name, GroupMatmul kernel, GroupMatmul) {
  for (const size_t group_cols : kGroupCols) {
    check_random(type_of(name), kernel, group_cols);
    check_extremes(type_of(name), kernel, group_cols);
  }
}

}  // namespace rotor
