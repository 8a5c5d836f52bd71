// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head below AVX-512: four columns in two 256-bit registers of 8 rows.
#pragma once

#include "kernels/x86/bytes_avx2.h"
#include "kernels/x86/code_dots_blocks.h"

namespace rotor::kernels {
namespace {

// A Level (code_dots_blocks.h) but for its add().
struct Halves {
  using Vector = __m256i;
  static constexpr size_t kVectorTile = 4;  // 8 sums
  static constexpr size_t kParts = 2;

  static void unpack(const uint8_t* group, size_t half, __m256i (&codes)[kGroupTiles]) {
    const __m256i low6 = _mm256_set1_epi8(0x3f);
    const __m256i a = load_half(group, half);
    const __m256i b = load_half(group + 64, half);
    const __m256i c = load_half(group + 128, half);
    codes[0] = _mm256_and_si256(a, low6);
    codes[1] = _mm256_and_si256(b, low6);
    codes[2] = _mm256_and_si256(c, low6);
    const __m256i bits01 = _mm256_and_si256(_mm256_srli_epi16(a, 6), _mm256_set1_epi8(0x03));
    const __m256i bits23 = _mm256_and_si256(_mm256_srli_epi16(b, 4), _mm256_set1_epi8(0x0c));
    const __m256i bits45 = _mm256_and_si256(_mm256_srli_epi16(c, 2), _mm256_set1_epi8(0x30));
    codes[3] = _mm256_or_si256(_mm256_or_si256(bits01, bits23), bits45);
  }
  static void store(const __m256i (&sums)[kSums], int32_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), sums[1]);
  }
};

}  // namespace
}  // namespace rotor::kernels
