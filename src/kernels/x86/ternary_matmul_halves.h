// SPDX-License-Identifier: Apache-2.0
// The frame of a ternary product below AVX-512: a tile of 64 bytes, 16 rows by Format::kTileCols columns,
// lies in two 256-bit registers of 8 rows.
//
// Format::multiply<kHalves, kBatch>(in, tiles, x, x_stride, sums) adds the sum of codes times x over
// `tiles` <= Format::kMaxTiles tiles for kHalves times 8 rows and kBatch vectors to `sums`.
// Format::kBatchTile vectors have their accumulators for one half in registers.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"
#include "kernels/x86/bytes_avx2.h"

namespace rotor::kernels {
namespace {

// Halves of tiles that are multiplied together: the first two are in one row block, the next two in
// another, as many streams from memory.
struct HalfStreams {
  const uint8_t* weights;
  size_t apart;  // bytes from stream to stream
  size_t ahead;  // KernelTable::weights_ahead

  const uint8_t* tile(size_t half, size_t t) const { return weights + half / 2 * apart + 64 * t; }
  __m256i load(size_t half, size_t t) const { return load_half(tile(half, t), half % 2); }
};

// kHalves halves of row block `block`, from half `half` on, and of the one `apart` from it. Of its own
// because GCC 12 keeps sums in memory where several of these end up in one function.
template <typename Format, size_t kHalves, size_t kBatch>
[[gnu::noinline]] void multiply_halves(const TernaryMatmulArgs& args, size_t block, size_t apart, size_t half,
                            size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride + 32 * half;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m256i sums[kHalves][kBatch];
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
      sums[h][b] = _mm256_set1_epi32(-args.x_sum[b0 + b]);
    }
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += Format::kMaxTiles) {
    const size_t left = args.tile_end - tile;
    Format::template multiply<kHalves, kBatch>(
        HalfStreams{weights + 64 * tile, apart * args.row_block_stride, args.ahead},
        left < Format::kMaxTiles ? left : Format::kMaxTiles, x + Format::kTileCols * tile,
        args.x_stride, sums);
  }
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      const size_t row = 16 * (block + h / 2 * apart) + 8 * (half + h % 2);
      int32_t* out = args.out + (b0 + b) * args.out_stride + row;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[h][b]);
    }
  }
}

// A single vector waits for memory, which gives more to two streams than to one, provided that both are
// long: half of the row blocks each. Several vectors need the registers.
template <typename Format>
inline void ternary_matmul_halves(const TernaryMatmulArgs& args) {
  const size_t pairs = args.batch == 1 ? args.row_blocks / 2 : 0;
  for (size_t block = 0; block < pairs; ++block) {
    multiply_halves<Format, 4, 1>(args, block, pairs, 0, 0);
  }
  for (size_t block = 2 * pairs; block < args.row_blocks; ++block) {
    vector_tiles<Format::kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      multiply_halves<Format, 1, kBatch>(args, block, 0, 0, first);
      multiply_halves<Format, 1, kBatch>(args, block, 0, 1, first);
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
