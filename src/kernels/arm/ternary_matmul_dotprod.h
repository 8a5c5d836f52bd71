// SPDX-License-Identifier: Apache-2.0
// The frame of a ternary product for AArch64 with SDOT: a quarter of a tile, 4 rows, in one register.
//
// Tiles::add(weights, begin, end, x, x_stride, sums) adds codes times x over tiles of a row block. Codes
// times x are within 2 * 128 K <= 2^32 - 256 in magnitude for K <= 2^24 - 1: lanes may wrap, and the
// result, which fits, is right modulo 2^32.
#pragma once

#include <arm_neon.h>

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

// kBatch vectors times one row block; each of the 4 quarters has its accumulator.
template <typename Tiles, size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  int32x4_t sums[kBatch][4];
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      sums[b][quarter] = vdupq_n_s32(-args.x_sum[b0 + b]);
    }
  }
  Tiles::add(args.weights + block * args.row_block_stride, args.tile_begin, args.tile_end,
             args.x + b0 * args.x_stride, args.x_stride, sums);
  for (size_t b = 0; b < kBatch; ++b) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      vst1q_s32(args.out + (b0 + b) * args.out_stride + 16 * block + 4 * quarter,
                sums[b][quarter]);
    }
  }
}

template <typename Tiles>
inline void ternary_matmul_quarters(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 4;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      row_block<Tiles, kBatch>(args, block, first);
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
