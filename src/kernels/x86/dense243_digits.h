// SPDX-License-Identifier: Apache-2.0
// The five digits of 32 dense243 bytes by AVX2, all at scale 1 so that bytes can multiply with them.
//
// With v mod m by subtraction and minimum (an unsigned difference that wraps is larger), what a step
// takes off names its digit in the two low bits: 81 and 162 are 1 and 2 modulo 4, 9 and 18 as well;
// -27 and -54 are too. What is left, below 9, is looked up.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

constexpr size_t kDigits = 5;

// v mod m for v < 3m <= 256.
inline __m256i residue(__m256i v, int m) {
  const __m256i modulus = _mm256_set1_epi8(static_cast<char>(m));
  const __m256i once = _mm256_min_epu8(v, _mm256_sub_epi8(v, modulus));
  return _mm256_min_epu8(once, _mm256_sub_epi8(once, modulus));
}

inline __m256i two_low_bits(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(3)); }

inline void digits_of(__m256i v, __m256i (&digit)[kDigits]) {
  const __m256i last = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));
  const __m256i thirds = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));
  const __m256i v81 = residue(v, 81);
  const __m256i v27 = residue(v81, 27);
  const __m256i v9 = residue(v27, 9);
  digit[0] = _mm256_shuffle_epi8(last, v9);
  digit[1] = _mm256_shuffle_epi8(thirds, v9);
  digit[2] = two_low_bits(_mm256_sub_epi8(v27, v9));
  digit[3] = two_low_bits(_mm256_sub_epi8(v27, v81));
  digit[4] = two_low_bits(_mm256_sub_epi8(v, v81));
}

}  // namespace
}  // namespace rotor::kernels
