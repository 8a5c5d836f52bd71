// SPDX-License-Identifier: Apache-2.0
// The frame of an i2 product below AVX-512: a tile of 64 bytes, 16 rows by 16 columns, lies in two
// 256-bit registers of 8 rows.
//
// Level::multiply<kHalves, kBatch>(weights, tiles, x, x_stride, sums) adds the sum of codes times x
// over `tiles` <= Level::kMaxTiles tiles for kHalves times 8 rows and kBatch vectors to `sums`.
// Level::kBatchTile vectors have their accumulators for one half in registers.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"
#include "kernels/x86/bytes_avx2.h"

namespace rotor::kernels {
namespace {

constexpr size_t kTileCols = 16;

// kHalves halves of a row block, from half `half` on.
template <typename Level, size_t kHalves, size_t kBatch>
inline void halves(const TernaryMatmulArgs& args, size_t block, size_t half, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride + 32 * half;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m256i sums[kHalves][kBatch];
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
      sums[h][b] = _mm256_set1_epi32(-args.x_sum[b0 + b]);
    }
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += Level::kMaxTiles) {
    const size_t left = args.tile_end - tile;
    Level::template multiply<kHalves, kBatch>(
        weights + 64 * tile, left < Level::kMaxTiles ? left : Level::kMaxTiles,
        x + kTileCols * tile, args.x_stride, sums);
  }
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      int32_t* out = args.out + (b0 + b) * args.out_stride + 16 * block + 8 * (half + h);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[h][b]);
    }
  }
}

// A single vector waits for memory: both halves of a tile at once, so that there is always more to
// fetch. Several vectors need the registers.
template <typename Level>
inline void i2_halves(const TernaryMatmulArgs& args) {
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<Level::kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      if constexpr (kBatch == 1) {
        halves<Level, 2, 1>(args, block, 0, first);
      } else {
        halves<Level, 1, kBatch>(args, block, 0, first);
        halves<Level, 1, kBatch>(args, block, 1, first);
      }
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
