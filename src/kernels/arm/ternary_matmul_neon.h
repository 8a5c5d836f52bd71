// SPDX-License-Identifier: Apache-2.0
// The frame of a ternary product for baseline AArch64, by quarters of a tile, 4 rows.
//
// Tiles::add(weights, begin, end, x, x_stride, sums) adds codes times x over at most Tiles::kFlushTiles
// tiles to 16-bit lanes. The 32-bit lanes that take these hold codes times x, at most 2 * 128 K, below
// 2^31 for every K that TernaryMatmulArgs allows for half of a row's columns.
#pragma once

#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

template <typename Tiles, size_t kBatch>
inline void quarter_block(const TernaryMatmulArgs& args, size_t block, size_t quarter, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride + 16 * quarter;
  const int8_t* x = args.x + b0 * args.x_stride;
  int32x4_t low[kBatch];
  int32x4_t high[kBatch];
  for (size_t b = 0; b < kBatch; ++b) {
    low[b] = high[b] = vdupq_n_s32(0);
  }
  for (size_t begin = args.tile_begin; begin < args.tile_end; begin += Tiles::kFlushTiles) {
    const size_t left = args.tile_end - begin;
    Sums16 sums[kBatch];
    const size_t end = begin + (left < Tiles::kFlushTiles ? left : Tiles::kFlushTiles);
    Tiles::add(weights, begin, end, x, args.x_stride, sums);
    for (size_t b = 0; b < kBatch; ++b) {
      low[b] = vpadalq_s16(low[b], sums[b].low);
      high[b] = vpadalq_s16(high[b], sums[b].high);
    }
  }
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    const int32x4_t rows =
        vsubq_s32(vpaddq_s32(low[b], high[b]), vdupq_n_s32(args.x_sum[b0 + b]));
    vst1q_s32(args.out + (b0 + b) * args.out_stride + 16 * block + 4 * quarter, rows);
  }
}

template <typename Tiles>
inline void ternary_matmul_quarters(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 4;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      for (size_t quarter = 0; quarter < 4; ++quarter) {
        quarter_block<Tiles, kBatch>(args, block, quarter, first);
      }
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
