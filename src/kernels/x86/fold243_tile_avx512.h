// SPDX-License-Identifier: Apache-2.0
// A tile of fold243 for AVX-512 VNNI and VBMI: five digits a byte, 16 rows by 20 columns.
//
// Digits 0 to 3 are looked up as fields of two bits and masked in place, so field d is 4^d times too
// large; digit 4 comes 64 times too large (at most 2 * 64 = 128). Each digit has its own accumulator,
// brought to scale at the end: its terms are all multiples of the scale. Digit d sees a fifth of the K
// columns, so accumulators stay within K / 5 * 128 * 128 < 2^12 K, which 2^13 tiles (K = 163,840) keep
// below 2^30; longer rows are cut there.
#pragma once

#include "kernels/x86/fold243_fields.h"
#include "kernels/x86/ternary_matmul_avx512.h"

namespace rotor::kernels {
namespace {

struct Fold243 {
  static constexpr size_t kTileCols = 20;
  static constexpr size_t kMaxTiles = size_t{1} << 13;
  static constexpr size_t kBatchTile = 4;  // 20 accumulators
  static constexpr size_t kDigits = 5;

  struct Tile {
    Unfolded digits;

    void load(const uint8_t* bytes) { digits = unfold(_mm512_load_si512(bytes)); }
    __m512i codes(size_t d) const {
      return d < 4 ? _mm512_and_si512(digits.fields, field_mask(d)) : digits.last;
    }
  };

  static __m512i total(const __m512i (&sums)[kDigits]) {
    return _mm512_add_epi32(total_of_fields(sums), _mm512_srai_epi32(sums[4], 6));
  }

  // out (5, 64), digits at scale 1
  static void unpack(__m512i v, uint8_t* out) {
    const Unfolded digits = unfold(v);
    unpack_fields(digits.fields, out);
    _mm512_store_si512(out + 256, _mm512_and_si512(_mm512_srli_epi16(digits.last, 6), field_mask(0)));
  }
};

}  // namespace
}  // namespace rotor::kernels
