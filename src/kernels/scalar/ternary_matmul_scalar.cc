// SPDX-License-Identifier: Apache-2.0
// The ternary product as the layouts define it: unpack, multiply, add. Ignores x_sum, which only
// kernels that work on the codes t + 1 need.
#include <algorithm>

#include "kernels/kernel_list.h"

namespace rotor::kernels {
namespace {

void ternary_matmul(TernaryFormat format, const TernaryMatmulArgs& args) {
  constexpr size_t kMaxTileCols = 20;
  const TernaryFormatInfo& info = format_info(format);
  const size_t cols = info.tile_cols;
  int8_t trits[kTileRows * kMaxTileCols];
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* tiles = args.weights + block * args.row_block_stride;
    for (size_t b = 0; b < args.batch; ++b) {
      int32_t* out = args.out + b * args.out_stride + block * kTileRows;
      std::fill_n(out, kTileRows, 0);
    }
    for (size_t tile = args.tile_begin; tile < args.tile_end; ++tile) {
      info.unpack_row_block(tiles + tile * kTileBytes, cols, trits, cols);
      for (size_t b = 0; b < args.batch; ++b) {
        const int8_t* x = args.x + b * args.x_stride + tile * cols;
        int32_t* out = args.out + b * args.out_stride + block * kTileRows;
        for (size_t r = 0; r < kTileRows; ++r) {
          for (size_t c = 0; c < cols; ++c) {
            out[r] += trits[r * cols + c] * x[c];
          }
        }
      }
    }
  }
}

}  // namespace

void ternary_matmul_i2_scalar(const TernaryMatmulArgs& args) {
  ternary_matmul(TernaryFormat::kI2, args);
}

void ternary_matmul_dense243_scalar(const TernaryMatmulArgs& args) {
  ternary_matmul(TernaryFormat::kDense243, args);
}

void ternary_matmul_fold243_scalar(const TernaryMatmulArgs& args) {
  ternary_matmul(TernaryFormat::kFold243, args);
}

void ternary_matmul_planes2_scalar(const TernaryMatmulArgs& args) {
  ternary_matmul(TernaryFormat::kPlanes2, args);
}

}  // namespace rotor::kernels
