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

inline void prefetch(const uint8_t* address) {
  _mm_prefetch(reinterpret_cast<const char*>(address), _MM_HINT_T0);
}

}  // namespace
}  // namespace rotor::kernels
