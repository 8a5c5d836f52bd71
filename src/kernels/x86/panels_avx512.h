// SPDX-License-Identifier: Apache-2.0
// Two row blocks of a ternary matrix, unpacked some columns at a time into panels of codes (trits + 1) that
// stay in the first-level cache and serve all vectors. What one field of a packed tile unpacks to is a row
// of a panel, 64 bytes: byte 4r + j is the code of matrix row r at column j of four.
//
// Layout::kTileCols are the columns of a packed tile of 64 bytes, Layout::unpack(tile, out) writes its
// kTileCols / 4 rows.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kBlockRows = 16;      // of a matrix, in a row block
constexpr size_t kPanelStepCols = 64;  // a panel is filled up to a multiple of these with zero codes

template <typename Layout>
inline void unpack_panel(const uint8_t* packed, size_t tiles, size_t ahead, uint8_t* panel) {
  constexpr size_t kTilePanelBytes = Layout::kTileCols * kBlockRows;
  for (size_t t = 0; t < tiles; ++t) {
    _mm_prefetch(reinterpret_cast<const char*>(packed + 64 * t + ahead), _MM_HINT_T0);
    Layout::unpack(_mm512_load_si512(packed + 64 * t), panel + kTilePanelBytes * t);
  }
  const size_t used = tiles * kTilePanelBytes;
  for (size_t at = used; at % (kBlockRows * kPanelStepCols) != 0; at += 64) {
    _mm512_store_si512(panel + at, _mm512_setzero_si512());
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

// Calls add(panels, blocks, col, cols, out) for every panel of up to kCols columns: it adds the products of
// columns [col, col + cols) with the panels of `blocks` row blocks, 16 * kCols bytes from each other, to
// out (batch, args.out_stride). Wider panels save loads and stores of sums, until they and the vectors
// push each other out of the first-level cache.
template <typename Layout, size_t kCols, typename Add>
inline void for_each_panel(const TernaryMatmulArgs& args, const Add& add) {
  static_assert(kCols % Layout::kTileCols == 0 && kCols % kPanelStepCols == 0);
  constexpr size_t kPanelTiles = kCols / Layout::kTileCols;
  constexpr size_t kPanelBytes = kBlockRows * kCols;
  alignas(64) uint8_t panels[2 * kPanelBytes];
  for (size_t block = 0; block < args.row_blocks; block += 2) {
    const size_t blocks = args.row_blocks - block < 2 ? 1 : 2;
    int32_t* out = args.out + block * kBlockRows;
    begin_sums(args, blocks, out);
    for (size_t tile = args.tile_begin; tile < args.tile_end; tile += kPanelTiles) {
      const size_t left = args.tile_end - tile;
      const size_t tiles = left < kPanelTiles ? left : kPanelTiles;
      for (size_t i = 0; i < blocks; ++i) {
        unpack_panel<Layout>(args.weights + (block + i) * args.row_block_stride + 64 * tile, tiles,
                             args.ahead, panels + i * kPanelBytes);
      }
      add(panels, blocks, tile * Layout::kTileCols, tiles * Layout::kTileCols, out);
    }
  }
}

}  // namespace
}  // namespace rotor::kernels
