// SPDX-License-Identifier: Apache-2.0
// The frame of a ternary product for AVX-512 VNNI: one 512-bit register holds a tile of 64 bytes or
// the 16 sums of a row block.
//
// Format::Sums<kBatch> are accumulators that start at zero; add(tile, x, x_stride) takes one tile and
// its kTileCols columns of kBatch vectors; total(b) is the sum of codes (trits + 1) times x. They are
// emptied after kMaxTiles tiles. Format::kBatchTile vectors have their accumulators in registers.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"
#include "kernels/x86/bytes_avx512.h"

namespace rotor::kernels {
namespace {

// sums += codes times x over `tiles` tiles.
template <typename Format, size_t kBatch>
inline void multiply(const uint8_t* weights, size_t tiles, const int8_t* x, size_t x_stride,
                     __m512i (&sums)[kBatch]) {
  typename Format::template Sums<kBatch> part;
  for (size_t t = 0; t < tiles; ++t) {
    const uint8_t* tile = weights + 64 * t;
    prefetch(tile + kPrefetchBytes);
    part.add(tile, x + Format::kTileCols * t, x_stride);
  }
  for (size_t b = 0; b < kBatch; ++b) {
    sums[b] = _mm512_add_epi32(sums[b], part.total(b));
  }
}

template <typename Format, size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m512i sums[kBatch];
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    sums[b] = _mm512_set1_epi32(-args.x_sum[b0 + b]);
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += Format::kMaxTiles) {
    const size_t left = args.tile_end - tile;
    multiply<Format>(weights + 64 * tile, left < Format::kMaxTiles ? left : Format::kMaxTiles,
                     x + Format::kTileCols * tile, args.x_stride, sums);
  }
  for (size_t b = 0; b < kBatch; ++b) {
    _mm512_storeu_si512(args.out + (b0 + b) * args.out_stride + 16 * block, sums[b]);
  }
}

template <typename Format>
inline void ternary_matmul_blocks(const TernaryMatmulArgs& args) {
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<Format::kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      row_block<Format, kBatch>(args, block, first);
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
