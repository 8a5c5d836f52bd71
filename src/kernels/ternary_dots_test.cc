// SPDX-License-Identifier: Apache-2.0
// Ternary rows times float vectors against the scalar product of the same weights written out, bit for
// bit: all tails, all group sizes, a scale a row, batches, values of all kinds.
#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "kernels/kernel_check.h"
#include "kernels/kernel_list.h"
#include "ternary/group_scales.h"

namespace rotor {
namespace {

constexpr TernaryFormat kFormat = TernaryFormat::kI2;

// Normal and subnormal scales of both signs; a sixteenth is zero.
float any_scale(GroupScaleType type, std::mt19937& random) {
  const float magnitude = std::ldexp(1.0f + static_cast<float>(random() % 1024) * 0x1p-10f,
                                     static_cast<int>(random() % 30) - 24);
  const float scale = random() % 16 == 0 ? 0.0f : random() % 4 != 0 ? magnitude : -magnitude;
  return type == GroupScaleType::kF16 ? f16_to_float(float_to_f16(scale)) : scale;
}

// group_cols 0: one scale a row.
void check_case(GroupScaleType type, TernaryDots kernel, size_t row_blocks, size_t cols,
                size_t group_cols, size_t batch, Values values, uint32_t seed) {
  std::mt19937 random(seed);
  const size_t rows = row_blocks * kTileRows;
  const size_t tiles = tiles_per_row_block(kFormat, cols);
  const size_t group_tiles = group_cols == 0 ? tiles : group_cols / 16;
  const size_t groups = (tiles + group_tiles - 1) / group_tiles;
  std::vector<int8_t> trits(rows * cols);
  for (int8_t& trit : trits) {
    trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  }
  std::vector<float> scales(rows * groups);
  for (float& scale : scales) {
    scale = any_scale(type, random);
  }
  std::vector<float> plain(rows * cols);
  for (size_t i = 0; i < plain.size(); ++i) {
    const size_t group = i % cols / 16 / group_tiles;
    plain[i] = static_cast<float>(trits[i]) * scales[i / cols * groups + group];
  }
  const size_t x_stride = cols + 3;
  const GuardedArray<float> x = random_floats((batch - 1) * x_stride + cols, values, random);

  GuardedArray<uint8_t> weights(packed_bytes(kFormat, rows, cols));
  const size_t scale_bytes = groups * kTileRows * group_scale_type_bytes(type);
  GuardedArray<std::byte> packed_scales(row_blocks * scale_bytes);
  for (size_t block = 0; block < row_blocks; ++block) {
    format_info(kFormat).pack_row_block(trits.data() + block * kTileRows * cols, cols, cols,
                                        weights.data() + block * row_block_bytes(kFormat, cols));
    ASSERT_TRUE(pack_group_scales(type, scales.data() + block * kTileRows * groups, groups,
                                  packed_scales.data() + block * scale_bytes));
  }
  const size_t out_stride = rows + 5;
  GuardedArray<float> out((batch - 1) * out_stride + rows);
  GuardedArray<float> expected(out.size());
  std::fill(out.begin(), out.end(), 123.25f);
  std::fill(expected.begin(), expected.end(), 123.25f);
  kernels::dot_rows_f32_scalar(
      {plain.data(), rows, cols, x.data(), x_stride, batch, expected.data(), out_stride});
  kernel({weights.data(), row_blocks, row_block_bytes(kFormat, cols), cols, group_tiles,
          packed_scales.data(), x.data(), x_stride, batch, out.data(), out_stride});
  expect_same(out, expected,
              std::to_string(cols) + " columns by " + std::to_string(group_cols) + ", batch " +
                  std::to_string(batch));
}

}  // namespace

void check_kernel(const std::string& name, TernaryDots kernel, TernaryDots) {
  const GroupScaleType type = name.ends_with("_f16") ? GroupScaleType::kF16 : GroupScaleType::kF32;
  uint32_t seed = 1;
  for (const size_t group_cols : {size_t{0}, kGroupCols[0], kGroupCols[1], kGroupCols[2]}) {
    for (const size_t cols : test_lengths()) {
      if (cols > 0 && cols <= 1100) {
        check_case(type, kernel, 1 + cols % 2, cols, group_cols, 1 + cols % 6,
                   kAllValues[cols % std::size(kAllValues)], ++seed);
      }
    }
    for (size_t batch = 1; batch <= 9; ++batch) {
      check_case(type, kernel, 2, 400, group_cols, batch, Values::kNormal, ++seed);
    }
    for (const Values values : kAllValues) {
      check_case(type, kernel, 1, 663, group_cols, 5, values, ++seed);
    }
  }
}

}  // namespace rotor
