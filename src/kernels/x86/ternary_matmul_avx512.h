// SPDX-License-Identifier: Apache-2.0
// The frame of a ternary product for AVX-512 VNNI: one 512-bit register holds a tile of 64 bytes or
// the 16 sums of a row block.
//
// Format::Tile takes 64 bytes apart by load(); its codes(d) are 64 unsigned bytes, digit d of the 16 rows
// in four columns, times a scale that Format knows. Each of the kDigits digits has its own sum;
// Format::total(sums) brings them to scale and together, the sum of codes (trits + 1) times x. Sums are
// emptied after kMaxTiles tiles. Format::kBatchTile vectors have their sums in registers. From kPanelBatch
// vectors on Format is the Layout of panels_avx512.h.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"
#include "kernels/x86/bytes_avx512.h"
#include "kernels/x86/panel_matmul_avx512.h"

namespace rotor::kernels {
namespace {

// Row blocks of weights that are multiplied together: as many streams from memory.
struct Streams {
  const uint8_t* weights;
  size_t apart;  // bytes from stream to stream
  size_t ahead;  // KernelTable::weights_ahead
};

// sums += codes times x over `tiles` tiles.
template <typename Format, size_t kBlocks, size_t kBatch>
inline void add_tiles(Streams in, size_t tiles, const int8_t* x, size_t x_stride,
                      __m512i (&sums)[kBlocks][kBatch][Format::kDigits]) {
  for (size_t t = 0; t < tiles; ++t) {
    typename Format::Tile tile[kBlocks];
// GCC 12 keeps sums in memory when a loop over them is not unrolled early.
#pragma GCC unroll 2
    for (size_t r = 0; r < kBlocks; ++r) {
      const uint8_t* bytes = in.weights + r * in.apart + 64 * t;
      prefetch(bytes + in.ahead);
      tile[r].load(bytes);
    }
    const int8_t* columns = x + Format::kTileCols * t;
#pragma GCC unroll 5
    for (size_t d = 0; d < Format::kDigits; ++d) {
#pragma GCC unroll 8
      for (size_t b = 0; b < kBatch; ++b) {
        const __m512i four = broadcast4(columns + b * x_stride + 4 * d);
#pragma GCC unroll 2
        for (size_t r = 0; r < kBlocks; ++r) {
          sums[r][b][d] = _mm512_dpbusd_epi32(sums[r][b][d], tile[r].codes(d), four);
          update_in_place(sums[r][b][d]);
        }
      }
    }
  }
}

// total += sum of codes times x over `tiles` tiles.
template <typename Format, size_t kBlocks, size_t kBatch>
inline void multiply(Streams in, size_t tiles, const int8_t* x, size_t x_stride,
                     __m512i (&total)[kBlocks][kBatch]) {
  __m512i sums[kBlocks][kBatch][Format::kDigits] = {};
  add_tiles<Format>(in, tiles, x, x_stride, sums);
#pragma GCC unroll 2
  for (size_t r = 0; r < kBlocks; ++r) {
#pragma GCC unroll 8
    for (size_t b = 0; b < kBatch; ++b) {
      total[r][b] = _mm512_add_epi32(total[r][b], Format::total(sums[r][b]));
    }
  }
}

// kBlocks row blocks, `apart` from each other. Of its own because GCC 12 keeps sums in memory where
// several of these end up in one function.
template <typename Format, size_t kBlocks, size_t kBatch>
[[gnu::noinline]] void multiply_row_blocks(const TernaryMatmulArgs& args, size_t block,
                                           size_t apart, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m512i total[kBlocks][kBatch];
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    for (size_t r = 0; r < kBlocks; ++r) {
      total[r][b] = _mm512_set1_epi32(-args.x_sum[b0 + b]);
    }
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += Format::kMaxTiles) {
    const size_t left = args.tile_end - tile;
    multiply<Format>({weights + 64 * tile, apart * args.row_block_stride, args.ahead},
                     left < Format::kMaxTiles ? left : Format::kMaxTiles,
                     x + Format::kTileCols * tile, args.x_stride, total);
  }
  for (size_t b = 0; b < kBatch; ++b) {
    for (size_t r = 0; r < kBlocks; ++r) {
      int32_t* out = args.out + (b0 + b) * args.out_stride + 16 * (block + r * apart);
      _mm512_storeu_si512(out, total[r][b]);
    }
  }
}

// A single vector waits for memory, which gives more to two streams than to one, provided that both are
// long: half of the row blocks each. Several vectors need the registers; many are worth unpacking for.
template <typename Format>
inline void ternary_matmul_blocks(const TernaryMatmulArgs& args) {
  if (args.batch >= kPanelBatch) {
    matmul_panels<Format>(args);
    return;
  }
  const size_t half = args.batch == 1 ? args.row_blocks / 2 : 0;
  for (size_t block = 0; block < half; ++block) {
    multiply_row_blocks<Format, 2, 1>(args, block, half, 0);
  }
  for (size_t block = 2 * half; block < args.row_blocks; ++block) {
    vector_tiles<Format::kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      multiply_row_blocks<Format, 1, kBatch>(args, block, 0, first);
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
