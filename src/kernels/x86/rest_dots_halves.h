// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, below AVX-512.
#pragma once

#include "kernels/x86/bytes_avx2.h"
#include "kernels/x86/rest_dots_registers.h"

namespace rotor::kernels {
namespace {

// A Level (rest_dots_registers.h) but for its add().
struct RestHalves {
  using Vector = __m256i;
  static constexpr size_t kBytes = 32;

  static __m256i load(const void* bytes) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(bytes));
  }
  static __m256i field(__m256i bytes, size_t f) {
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(2 * f));
    return _mm256_and_si256(_mm256_srl_epi16(bytes, count), _mm256_set1_epi8(3));
  }
  static int32_t total(__m256i sum) {
    __m128i lanes = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0x4e));
    lanes = _mm_add_epi32(lanes, _mm_shuffle_epi32(lanes, 0xb1));
    return _mm_cvtsi128_si32(lanes);
  }
};

}  // namespace
}  // namespace rotor::kernels
