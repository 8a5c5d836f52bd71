// SPDX-License-Identifier: Apache-2.0
// The ternary product on AMX for any packed layout. Two row blocks of a matrix are unpacked, 640
// columns at a time, into panels of codes that stay in the first-level cache and serve all vectors.
//
// A panel row is what one field of a packed tile unpacks to: byte 4r + j is the code of matrix row r
// at column j of a quad of columns. That is the form in which TDPBSUD wants its second factor: it
// adds to c (16 vectors, 16 rows; int32) the product of a (16 vectors, 64 columns; int8) and b (16
// quads, 16 rows x 4; uint8). Sums wrap in 32 bits; the end result fits by the contract of
// TernaryMatmulArgs.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kBlockRows = 16;            // rows of a row block, columns of c
constexpr size_t kTileVectors = 16;          // rows of a and c
constexpr size_t kStepCols = 64;             // columns that one instruction multiplies
constexpr size_t kStepBytes = kBlockRows * kStepCols;
constexpr size_t kPanelCols = 640;           // whole steps, and whole tiles of every layout
constexpr size_t kPanelBytes = kBlockRows * kPanelCols;
constexpr size_t kPrefetchBytes = 2048;
// Fewer vectors go to the vector unit: by count of instructions unpacking then costs more than it
// saves. Where exactly the two meet was not measured.
constexpr size_t kMinVectors = 5;

// The tile registers: sums of two groups of vectors with two row blocks, then the factors.
#define ROTOR_SUM_00 0
#define ROTOR_SUM_01 1
#define ROTOR_SUM_10 2
#define ROTOR_SUM_11 3
#define ROTOR_VECTORS_0 4
#define ROTOR_VECTORS_1 5
#define ROTOR_CODES_0 6
#define ROTOR_CODES_1 7

// What LDTILECFG reads.
struct alignas(64) TileConfig {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// GCC 12's tile intrinsics do not say what memory they read: what was written there before, this
// keeps written.
inline void publish(const void* memory) { __asm__ volatile("" : : "r"(memory) : "memory"); }

// Shapes the registers for `first` and `second` vectors (second may be 0).
inline void configure(size_t first, size_t second) {
  TileConfig config = {};
  config.palette = 1;
  const auto shape = [&config](size_t tile, size_t rows) {
    config.rows[tile] = static_cast<uint8_t>(rows);
    config.row_bytes[tile] = rows != 0 ? 64 : 0;
  };
  shape(ROTOR_SUM_00, first);
  shape(ROTOR_SUM_01, first);
  shape(ROTOR_VECTORS_0, first);
  shape(ROTOR_SUM_10, second);
  shape(ROTOR_SUM_11, second);
  shape(ROTOR_VECTORS_1, second);
  shape(ROTOR_CODES_0, kStepCols / 4);
  shape(ROTOR_CODES_1, kStepCols / 4);
  publish(&config);
  _tile_loadconfig(&config);
}

// One step: x (vectors, x_stride) at a column, and the codes there; the second row block's panel
// follows the first.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_step(const int8_t* x, size_t x_stride, const uint8_t* codes) {
  _tile_loadd(ROTOR_CODES_0, codes, 64);
  _tile_loadd(ROTOR_VECTORS_0, x, x_stride);
  _tile_dpbsud(ROTOR_SUM_00, ROTOR_VECTORS_0, ROTOR_CODES_0);
  if constexpr (kTwoBlocks) {
    _tile_loadd(ROTOR_CODES_1, codes + kPanelBytes, 64);
    _tile_dpbsud(ROTOR_SUM_01, ROTOR_VECTORS_0, ROTOR_CODES_1);
  }
  if constexpr (kTwoGroups) {
    _tile_loadd(ROTOR_VECTORS_1, x + kTileVectors * x_stride, x_stride);
    _tile_dpbsud(ROTOR_SUM_10, ROTOR_VECTORS_1, ROTOR_CODES_0);
    if constexpr (kTwoBlocks) {
      _tile_dpbsud(ROTOR_SUM_11, ROTOR_VECTORS_1, ROTOR_CODES_1);
    }
  }
}

// out (vectors, out_stride) += the product of x's first `cols` columns and the panels.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_panels(const uint8_t* panels, size_t cols, const int8_t* x, size_t x_stride,
                            size_t vectors, int32_t* out, size_t out_stride) {
  int32_t* const out1 = kTwoGroups ? out + kTileVectors * out_stride : nullptr;
  const size_t row_bytes = out_stride * sizeof(int32_t);
  _tile_loadd(ROTOR_SUM_00, out, row_bytes);
  if constexpr (kTwoBlocks) {
    _tile_loadd(ROTOR_SUM_01, out + kBlockRows, row_bytes);
  }
  if constexpr (kTwoGroups) {
    _tile_loadd(ROTOR_SUM_10, out1, row_bytes);
    if constexpr (kTwoBlocks) {
      _tile_loadd(ROTOR_SUM_11, out1 + kBlockRows, row_bytes);
    }
  }
  const size_t steps = cols / kStepCols;
  for (size_t s = 0; s < steps; ++s) {
    multiply_step<kTwoGroups, kTwoBlocks>(x + kStepCols * s, x_stride, panels + kStepBytes * s);
  }
  if (const size_t left = cols % kStepCols; left != 0) {  // x may end here: read a copy
    alignas(64) int8_t copy[2 * kTileVectors * kStepCols] = {};
    for (size_t v = 0; v < vectors; ++v) {
      __builtin_memcpy(copy + kStepCols * v, x + v * x_stride + kStepCols * steps, left);
    }
    publish(copy);
    multiply_step<kTwoGroups, kTwoBlocks>(copy, kStepCols, panels + kStepBytes * steps);
  }
  _tile_stored(ROTOR_SUM_00, out, row_bytes);
  if constexpr (kTwoBlocks) {
    _tile_stored(ROTOR_SUM_01, out + kBlockRows, row_bytes);
  }
  if constexpr (kTwoGroups) {
    _tile_stored(ROTOR_SUM_10, out1, row_bytes);
    if constexpr (kTwoBlocks) {
      _tile_stored(ROTOR_SUM_11, out1 + kBlockRows, row_bytes);
    }
  }
}

#undef ROTOR_SUM_00
#undef ROTOR_SUM_01
#undef ROTOR_SUM_10
#undef ROTOR_SUM_11
#undef ROTOR_VECTORS_0
#undef ROTOR_VECTORS_1
#undef ROTOR_CODES_0
#undef ROTOR_CODES_1

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

// Shapes the registers when the shape is another than the last one.
class Groups {
 public:
  void use(size_t first, size_t second) {
    if (first != first_ || second != second_) {
      configure(first, second);
      first_ = first;
      second_ = second;
    }
  }

 private:
  size_t first_ = 0;
  size_t second_ = 0;
};

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
