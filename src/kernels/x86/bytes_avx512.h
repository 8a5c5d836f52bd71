// SPDX-License-Identifier: Apache-2.0
// What products of bytes share on AVX-512.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

// Four values of x for each of 16 rows.
inline __m512i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// Field d of two bits in every byte.
inline __m512i field_mask(size_t d) { return _mm512_set1_epi8(static_cast<char>(3 << (2 * d))); }

// out (4, 64): the four fields of every byte, shifted down.
inline void unpack_fields(__m512i fields, uint8_t* out) {
  const __m512i mask = field_mask(0);
  _mm512_store_si512(out, _mm512_and_si512(fields, mask));
  _mm512_store_si512(out + 64, _mm512_and_si512(_mm512_srli_epi16(fields, 2), mask));
  _mm512_store_si512(out + 128, _mm512_and_si512(_mm512_srli_epi16(fields, 4), mask));
  _mm512_store_si512(out + 192, _mm512_and_si512(_mm512_srli_epi16(fields, 6), mask));
}

// The sum of four fields, where field d is 4^d times too large.
template <size_t kSums>
inline __m512i total_of_fields(const __m512i (&sums)[kSums]) {
  const __m512i low = _mm512_add_epi32(sums[0], _mm512_srai_epi32(sums[1], 2));
  const __m512i high =
      _mm512_add_epi32(_mm512_srai_epi32(sums[2], 4), _mm512_srai_epi32(sums[3], 6));
  return _mm512_add_epi32(low, high);
}

// GCC 12 copies accumulators to other registers and back unless it is told that they change here.
inline void update_in_place(__m512i& sum) { __asm__("" : "+v"(sum)); }

inline void prefetch(const uint8_t* address) {
  _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0);
}

}  // namespace
}  // namespace rotor::kernels
