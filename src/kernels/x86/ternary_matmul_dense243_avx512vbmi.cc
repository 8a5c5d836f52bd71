// SPDX-License-Identifier: Apache-2.0
// dense243 product for AVX-512 VNNI and VBMI: five base-3 digits a byte, 16 rows by 20 columns a tile.
//
// A byte v is a sum of code[d] * 3^d. v - v mod 81 = code[4] * 81 is itself an unsigned byte (at most
// 162), so vpdpbusd takes it as it is. v mod 81 is looked up in a table of 81 bytes (vpermi2b), which
// hold the other four codes as fields of two bits; they are masked in place, so field d is 4^d times
// too large (at most 2 * 64 = 128). Each digit has its own accumulator, brought to scale at the end:
// its terms are all multiples of the scale. Digit d sees a fifth of the K columns, so accumulators stay
// within K / 5 * 162 * 128 < 2^13 K, which 2^13 tiles (K = 163,840) keep below 2^31; longer rows are
// cut there.
#include "kernels/x86/dense243_fields.h"
#include "kernels/x86/ternary_matmul_avx512.h"

namespace rotor::kernels {
namespace {

constexpr uint32_t kInverse81 = 0x781948b1u;
static_assert(kInverse81 * 81u == 1u);

struct Dense243 {
  static constexpr size_t kTileCols = 20;
  static constexpr size_t kMaxTiles = size_t{1} << 13;
  static constexpr size_t kBatchTile = 4;  // 20 accumulators
  static constexpr size_t kDigits = 5;

  struct Tile {
    FieldLookup fields_of;
    __m512i fields;
    __m512i last;

    void load(const uint8_t* bytes) {
      const __m512i v = _mm512_load_si512(bytes);
      const __m512i v81 = residue(v, 81);
      fields = fields_of(v81);
      last = _mm512_sub_epi8(v, v81);
    }
    __m512i codes(size_t d) const {
      return d < 4 ? _mm512_and_si512(fields, field_mask(d)) : last;
    }
  };

  static __m512i total(const __m512i (&sums)[kDigits]) {
    const __m512i last =
        _mm512_mullo_epi32(sums[4], _mm512_set1_epi32(static_cast<int32_t>(kInverse81)));
    return _mm512_add_epi32(last, total_of_fields(sums));
  }
};

}  // namespace

void ternary_matmul_dense243_avx512vbmi(const TernaryMatmulArgs& args) {
  ternary_matmul_blocks<Dense243>(args);
}

}  // namespace rotor::kernels
