// SPDX-License-Identifier: Apache-2.0
// Ternary rows times float vectors: unpack a row, scale it, and DOT.
#include "base/half.h"
#include "kernels/kernel_list.h"
#include "kernels/scalar/arithmetic.h"

namespace rotor::kernels {
namespace {

float scale_at(const uint16_t* scales, size_t i) { return f16_to_float(scales[i]); }
float scale_at(const float* scales, size_t i) { return scales[i]; }

template <typename Scale>
void ternary_dots(const TernaryDotsArgs& args) {
  constexpr size_t kTileCols = 16;
  const size_t tiles = (args.cols + kTileCols - 1) / kTileCols;
  const size_t groups = (tiles + args.group_tiles - 1) / args.group_tiles;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* codes = args.weights + block * args.row_block_stride;
    const Scale* scales = static_cast<const Scale*>(args.scales) + block * groups * kTileRows;
    for (size_t r = 0; r < kTileRows; ++r) {
      const auto weight = [&](size_t c) {
        const size_t tile = c / kTileCols;
        const size_t in_tile = c % kTileCols;
        const uint8_t byte = codes[tile * kTileBytes + 4 * r + in_tile % 4];
        const int trit = static_cast<int>(byte >> (2 * (in_tile / 4)) & 3) - 1;
        return static_cast<float>(trit) * scale_at(scales, tile / args.group_tiles * kTileRows + r);
      };
      for (size_t b = 0; b < args.batch; ++b) {
        const float* x = args.x + b * args.x_stride;
        args.out[b * args.out_stride + block * kTileRows + r] =
            ordered_sum(args.cols, [=](size_t c) { return weight(c) * x[c]; });
      }
    }
  }
}

}  // namespace

void ternary_dots_i2_f16_scalar(const TernaryDotsArgs& args) { ternary_dots<uint16_t>(args); }

void ternary_dots_i2_f32_scalar(const TernaryDotsArgs& args) { ternary_dots<float>(args); }

}  // namespace rotor::kernels
