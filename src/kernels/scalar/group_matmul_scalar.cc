// SPDX-License-Identifier: Apache-2.0
// The ternary product with scales of groups: unpack, multiply, add up a group, scale, add. Ignores
// x_running, which only kernels that work on the codes t + 1 need.
#include <algorithm>

#include "base/half.h"
#include "kernels/kernel_list.h"

namespace rotor::kernels {
namespace {

float scale_at(const uint16_t* scales, size_t i) { return f16_to_float(scales[i]); }
float scale_at(const float* scales, size_t i) { return scales[i]; }

template <typename Scale>
void group_matmul(const GroupMatmulArgs& args) {
  constexpr size_t kTileCols = 16;
  const TernaryFormatInfo& i2 = format_info(TernaryFormat::kI2);
  const size_t groups = (args.tiles + args.group_tiles - 1) / args.group_tiles;
  int8_t trits[kTileRows * kTileCols];
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* tiles = args.weights + block * args.row_block_stride;
    const Scale* scales = static_cast<const Scale*>(args.scales) + block * groups * kTileRows;
    for (size_t b = 0; b < args.batch; ++b) {
      const int8_t* x = args.x + b * args.x_stride;
      float* out = args.out + b * args.out_stride + block * kTileRows;
      std::fill_n(out, kTileRows, 0.0f);
      for (size_t g = 0; g < groups; ++g) {
        int32_t sums[kTileRows] = {};
        const size_t end = std::min(args.tiles, (g + 1) * args.group_tiles);
        for (size_t tile = g * args.group_tiles; tile < end; ++tile) {
          i2.unpack_row_block(tiles + tile * kTileBytes, kTileCols, trits, kTileCols);
          for (size_t i = 0; i < kTileRows * kTileCols; ++i) {
            sums[i / kTileCols] += trits[i] * x[tile * kTileCols + i % kTileCols];
          }
        }
        for (size_t r = 0; r < kTileRows; ++r) {
          const float product = static_cast<float>(sums[r]) * scale_at(scales, g * kTileRows + r);
          out[r] = out[r] + product;
        }
      }
    }
  }
}

}  // namespace

void group_matmul_i2_f16_scalar(const GroupMatmulArgs& args) { group_matmul<uint16_t>(args); }

void group_matmul_i2_f32_scalar(const GroupMatmulArgs& args) { group_matmul<float>(args); }

}  // namespace rotor::kernels
