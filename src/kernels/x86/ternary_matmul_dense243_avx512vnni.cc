// SPDX-License-Identifier: Apache-2.0
// dense243 product for AVX-512 VNNI: five base-3 digits a byte, 16 rows by 20 columns a tile.
//
// A byte v is a sum of code[d] * 3^d. With v mod 3^d by subtraction and minimum (an unsigned
// difference that wraps is larger), v mod 3^(d+1) - v mod 3^d = code[d] * 3^d is itself an unsigned
// byte (at most 162), so vpdpbusd takes it as it is and each digit has its own accumulator, 3^d times
// too large. The accumulator may wrap: multiplying by the inverse of 3^d modulo 2^32 divides exactly
// there, and the end result, within 128 K, fits 32 bits by the contract of TernaryMatmulArgs.
#include "kernels/x86/ternary_matmul_avx512.h"

namespace rotor::kernels {
namespace {

constexpr uint32_t kInverse3 = 0xaaaaaaabu;
static_assert(kInverse3 * 3u == 1u);

inline __m512i third(__m512i v) {
  return _mm512_mullo_epi32(v, _mm512_set1_epi32(static_cast<int32_t>(kInverse3)));
}

// v mod m for v < 3m <= 256.
inline __m512i residue(__m512i v, int m) {
  const __m512i modulus = _mm512_set1_epi8(static_cast<char>(m));
  const __m512i once = _mm512_min_epu8(v, _mm512_sub_epi8(v, modulus));
  return _mm512_min_epu8(once, _mm512_sub_epi8(once, modulus));
}

struct Dense243 {
  static constexpr size_t kTileCols = 20;
  static constexpr size_t kMaxTiles = size_t{1} << 24;  // more than a row has
  static constexpr size_t kBatchTile = 4;               // 20 accumulators
  static constexpr size_t kDigits = 5;

  struct Tile {
    __m512i scaled[kDigits];

    void load(const uint8_t* bytes) {
      const __m512i v = _mm512_load_si512(bytes);
      const __m512i v81 = residue(v, 81);
      const __m512i v27 = residue(v81, 27);
      const __m512i v9 = residue(v27, 9);
      scaled[0] = residue(v9, 3);
      scaled[1] = _mm512_sub_epi8(v9, scaled[0]);
      scaled[2] = _mm512_sub_epi8(v27, v9);
      scaled[3] = _mm512_sub_epi8(v81, v27);
      scaled[4] = _mm512_sub_epi8(v, v81);
    }
    __m512i codes(size_t d) const { return scaled[d]; }
  };

  // out (5, 64), digits at scale 1, found as dense243_digits.h finds them.
  static void unpack(__m512i v, uint8_t* out) {
    const __m512i lasts = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
    const __m512i thirds = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
    const __m512i low = field_mask(0);
    const __m512i v81 = residue(v, 81);
    const __m512i v27 = residue(v81, 27);
    const __m512i v9 = residue(v27, 9);
    _mm512_store_si512(out, _mm512_shuffle_epi8(lasts, v9));
    _mm512_store_si512(out + 64, _mm512_shuffle_epi8(thirds, v9));
    _mm512_store_si512(out + 128, _mm512_and_si512(_mm512_sub_epi8(v27, v9), low));
    _mm512_store_si512(out + 192, _mm512_and_si512(_mm512_sub_epi8(v27, v81), low));
    _mm512_store_si512(out + 256, _mm512_and_si512(_mm512_sub_epi8(v, v81), low));
  }

  // Horner's scheme in the inverse of 3.
  static __m512i total(const __m512i (&sums)[kDigits]) {
    const __m512i sum3 = _mm512_add_epi32(third(sums[4]), sums[3]);
    const __m512i sum2 = _mm512_add_epi32(third(sum3), sums[2]);
    const __m512i sum1 = _mm512_add_epi32(third(sum2), sums[1]);
    return _mm512_add_epi32(third(sum1), sums[0]);
  }
};

}  // namespace

void ternary_matmul_dense243_avx512vnni(const TernaryMatmulArgs& args) {
  ternary_matmul_blocks<Dense243>(args);
}

}  // namespace rotor::kernels
