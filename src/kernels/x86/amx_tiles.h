// SPDX-License-Identifier: Apache-2.0
// The tile registers of AMX: four sums of two groups of up to 16 vectors with two row blocks of 16
// matrix rows, and their factors.
//
// TDPBSUD adds to c (16 vectors, 16 rows; int32) the product of a (16 vectors, 64 columns; int8) and b
// (16 quads, 16 rows x 4; uint8): byte 4r + j of a row of b is the code of matrix row r at column j
// of a quad of columns. Sums wrap in 32 bits.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_types.h"
#include "kernels/x86/panels_avx512.h"

namespace rotor::kernels {
namespace {

constexpr size_t kTileVectors = 16;          // rows of a and c
constexpr size_t kStepCols = kPanelStepCols; // columns that one instruction multiplies
constexpr size_t kStepBytes = kBlockRows * kStepCols;

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
// keeps written, and what is written there afterwards, behind it.
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

// One step: x (vectors, x_stride) at a column, and the codes of both row blocks there.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_step(const int8_t* x, size_t x_stride, const uint8_t* codes,
                          [[maybe_unused]] const uint8_t* codes1) {
  _tile_loadd(ROTOR_CODES_0, codes, 64);
  _tile_loadd(ROTOR_VECTORS_0, x, x_stride);
  _tile_dpbsud(ROTOR_SUM_00, ROTOR_VECTORS_0, ROTOR_CODES_0);
  if constexpr (kTwoBlocks) {
    _tile_loadd(ROTOR_CODES_1, codes1, 64);
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

// The sums begin with out (vectors, out_stride).
template <bool kTwoGroups, bool kTwoBlocks>
inline void load_sums(const int32_t* out, size_t out_stride) {
  const size_t row_bytes = out_stride * sizeof(int32_t);
  _tile_loadd(ROTOR_SUM_00, out, row_bytes);
  if constexpr (kTwoBlocks) {
    _tile_loadd(ROTOR_SUM_01, out + kBlockRows, row_bytes);
  }
  if constexpr (kTwoGroups) {
    const int32_t* const out1 = out + kTileVectors * out_stride;
    _tile_loadd(ROTOR_SUM_10, out1, row_bytes);
    if constexpr (kTwoBlocks) {
      _tile_loadd(ROTOR_SUM_11, out1 + kBlockRows, row_bytes);
    }
  }
}

template <bool kTwoGroups, bool kTwoBlocks>
inline void zero_sums() {
  _tile_zero(ROTOR_SUM_00);
  if constexpr (kTwoBlocks) {
    _tile_zero(ROTOR_SUM_01);
  }
  if constexpr (kTwoGroups) {
    _tile_zero(ROTOR_SUM_10);
    if constexpr (kTwoBlocks) {
      _tile_zero(ROTOR_SUM_11);
    }
  }
}

template <bool kTwoGroups, bool kTwoBlocks>
inline void store_sums(int32_t* out, size_t out_stride) {
  const size_t row_bytes = out_stride * sizeof(int32_t);
  _tile_stored(ROTOR_SUM_00, out, row_bytes);
  if constexpr (kTwoBlocks) {
    _tile_stored(ROTOR_SUM_01, out + kBlockRows, row_bytes);
  }
  if constexpr (kTwoGroups) {
    int32_t* const out1 = out + kTileVectors * out_stride;
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

}  // namespace
}  // namespace rotor::kernels
