// SPDX-License-Identifier: Apache-2.0
// The ternary product on AMX for any packed layout. Two row blocks of a matrix are unpacked, 320
// columns at a time, into panels of codes that stay in the first-level cache and serve all vectors.
// A panel row is what one field of a packed tile unpacks to, and is a row of the second factor
// (amx_tiles.h). The end result of sums that wrap fits by the contract of TernaryMatmulArgs.
#pragma once

#include "kernels/x86/amx_tiles.h"

namespace rotor::kernels {
namespace {

// Whole steps, and whole tiles of every layout. Wider panels save loads and stores of sums, but the
// vectors push them out of the first-level cache, and then unpacking waits for it.
constexpr size_t kPanelCols = 320;
constexpr size_t kPanelBytes = kBlockRows * kPanelCols;
constexpr size_t kPrefetchBytes = 2048;
// Fewer vectors go to the vector unit: by count of instructions unpacking then costs more than it
// saves. Where exactly the two meet was not measured.
constexpr size_t kMinVectors = 5;

// out (vectors, out_stride) += the product of x's first `cols` columns and the panels.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_panels(const uint8_t* panels, size_t cols, const int8_t* x, size_t x_stride,
                            size_t vectors, int32_t* out, size_t out_stride) {
  load_sums<kTwoGroups, kTwoBlocks>(out, out_stride);
  const size_t steps = cols / kStepCols;
  for (size_t s = 0; s < steps; ++s) {
    const uint8_t* codes = panels + kStepBytes * s;
    multiply_step<kTwoGroups, kTwoBlocks>(x + kStepCols * s, x_stride, codes, codes + kPanelBytes);
  }
  if (const size_t left = cols % kStepCols; left != 0) {  // x may end here: read a copy
    alignas(64) int8_t copy[2 * kTileVectors * kStepCols] = {};
    for (size_t v = 0; v < vectors; ++v) {
      __builtin_memcpy(copy + kStepCols * v, x + v * x_stride + kStepCols * steps, left);
    }
    publish(copy);
    const uint8_t* codes = panels + kStepBytes * steps;
    multiply_step<kTwoGroups, kTwoBlocks>(copy, kStepCols, codes, codes + kPanelBytes);
  }
  store_sums<kTwoGroups, kTwoBlocks>(out, out_stride);
}

// The codes of `tiles` packed tiles; the last step is filled up with zero codes.
template <typename Layout>
inline void unpack_panel(const uint8_t* packed, size_t tiles, uint8_t* panel) {
  constexpr size_t kTilePanelBytes = Layout::kTileCols * kBlockRows;
  for (size_t t = 0; t < tiles; ++t) {
    _mm_prefetch(reinterpret_cast<const char*>(packed + 64 * t + kPrefetchBytes), _MM_HINT_T0);
    Layout::unpack(_mm512_load_si512(packed + 64 * t), panel + kTilePanelBytes * t);
  }
  const size_t used = tiles * kTilePanelBytes;
  for (size_t at = used; at % kStepBytes != 0; at += 64) {
    _mm512_store_si512(panel + at, _mm512_setzero_si512());
  }
}

// All vectors, 32 at a time, with the panels of one or two row blocks.
template <bool kTwoBlocks>
inline void multiply_vectors(const TernaryMatmulArgs& args, const uint8_t* panels, size_t col,
                             size_t cols, int32_t* out, Groups& groups) {
  for (size_t b = 0; b < args.batch; b += 2 * kTileVectors) {
    const size_t left = args.batch - b;
    const size_t vectors = left < 2 * kTileVectors ? left : 2 * kTileVectors;
    const int8_t* x = args.x + b * args.x_stride + col;
    int32_t* sums = out + b * args.out_stride;
    if (vectors > kTileVectors) {
      groups.use(kTileVectors, vectors - kTileVectors);
      multiply_panels<true, kTwoBlocks>(panels, cols, x, args.x_stride, vectors, sums,
                                        args.out_stride);
    } else {
      groups.use(vectors, 0);
      multiply_panels<false, kTwoBlocks>(panels, cols, x, args.x_stride, vectors, sums,
                                         args.out_stride);
    }
  }
}

// Codes are trits + 1: every sum begins with -sum(x).
inline void begin_sums(const TernaryMatmulArgs& args, size_t blocks, int32_t* out) {
  for (size_t b = 0; b < args.batch; ++b) {
    const __m512i start = _mm512_set1_epi32(-args.x_sum[b]);
    for (size_t i = 0; i < blocks; ++i) {
      _mm512_storeu_si512(out + b * args.out_stride + i * kBlockRows, start);
    }
  }
}

template <typename Layout>
inline void matmul_amx(const TernaryMatmulArgs& args) {
  constexpr size_t kPanelTiles = kPanelCols / Layout::kTileCols;
  static_assert(kPanelCols % Layout::kTileCols == 0 && kPanelCols % kStepCols == 0);
  alignas(64) uint8_t panels[2 * kPanelBytes];
  Groups groups;
  for (size_t block = 0; block < args.row_blocks; block += 2) {
    const size_t blocks = args.row_blocks - block < 2 ? 1 : 2;
    int32_t* out = args.out + block * kBlockRows;
    begin_sums(args, blocks, out);
    publish(out);
    for (size_t tile = args.tile_begin; tile < args.tile_end; tile += kPanelTiles) {
      const size_t left = args.tile_end - tile;
      const size_t tiles = left < kPanelTiles ? left : kPanelTiles;
      for (size_t i = 0; i < blocks; ++i) {
        unpack_panel<Layout>(args.weights + (block + i) * args.row_block_stride + 64 * tile, tiles,
                             panels + i * kPanelBytes);
      }
      publish(panels);
      const size_t col = tile * Layout::kTileCols;
      const size_t cols = tiles * Layout::kTileCols;
      if (blocks == 2) {
        multiply_vectors<true>(args, panels, col, cols, out, groups);
      } else {
        multiply_vectors<false>(args, panels, col, cols, out, groups);
      }
    }
  }
  _tile_release();
}

}  // namespace
}  // namespace rotor::kernels
