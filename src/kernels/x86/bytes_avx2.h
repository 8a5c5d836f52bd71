// SPDX-License-Identifier: Apache-2.0
// What products of bytes share below AVX-512.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

// Four values of x for each of 8 rows.
inline __m256i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

// Half of a tile of 64 bytes: 8 rows.
inline __m256i load_half(const uint8_t* tile, size_t half) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + 32 * half));
}

// 16-bit pairs of one row added up to its 32-bit lane.
inline __m256i widen(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

// GCC 12 adds what an unrolled loop adds in another order, and keeps all of it in memory until then,
// unless it is told that the sum changes here.
inline void update_in_place(__m256i& sum) { __asm__("" : "+x"(sum)); }

inline void prefetch(const uint8_t* address) {
  _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0);
}

}  // namespace
}  // namespace rotor::kernels
