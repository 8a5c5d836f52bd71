// SPDX-License-Identifier: Apache-2.0
// A tile of i2 for AVX-512 VNNI: 16 rows by 16 columns; vpdpbusd multiplies the four codes of a row
// with four activations that all rows share.
//
// Fields are not shifted down: field d is masked in place, so its codes are scaled by 4^d (at most
// 2 * 64 = 128, an unsigned byte), and has its own accumulator, which is shifted down once at the
// end; its terms are all multiples of 4^d. Field 3 sees a quarter of the K columns, so its accumulator
// stays within K / 4 * 128 * 128 = 2^12 K, which 2^13 tiles (K = 2^17) keep below 2^29; longer rows
// are cut there.
#pragma once

#include "kernels/x86/ternary_matmul_avx512.h"

namespace rotor::kernels {
namespace {

struct I2 {
  static constexpr size_t kTileCols = 16;
  static constexpr size_t kMaxTiles = size_t{1} << 13;
  static constexpr size_t kBatchTile = 6;  // 24 accumulators, 4 fields
  static constexpr size_t kDigits = 4;

  struct Tile {
    __m512i fields;

    void load(const uint8_t* bytes) { fields = _mm512_load_si512(bytes); }
    __m512i codes(size_t d) const { return _mm512_and_si512(fields, field_mask(d)); }
  };

  static __m512i total(const __m512i (&sums)[kDigits]) { return total_of_fields(sums); }

  // out (4, 64), fields at scale 1
  static void unpack(__m512i tile, uint8_t* out) { unpack_fields(tile, out); }
};

}  // namespace
}  // namespace rotor::kernels
