// SPDX-License-Identifier: Apache-2.0
// vpmaddubsw and a 16-bit addition, as the products of this level. A 16-bit lane gains 2 a product and
// 512 * 2 = 1024 a round, after which it is widened; a 32-bit lane gains 12 * 2048 a round, which 2^12
// rounds may do.
#include "kernels/x86/bytes_avx2.h"
#include "kernels/x86/integer_peak_sums.h"

namespace rotor::kernels {

uint64_t integer_peak_avx2(uint64_t rounds) {
  constexpr size_t kSteps = kPeakMultiplyAdds / 32 / kPeakSums;
  static_assert(2 * kSteps < 32768);
  const __m256i ones = _mm256_set1_epi8(1);
  __m256i wide = _mm256_setzero_si256();
  for (uint64_t round = 0; round < rounds; ++round) {
    __m256i sums[kPeakSums];
    for (__m256i& sum : sums) {
      sum = _mm256_setzero_si256();
    }
    __m256i codes = ones;
    for (size_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
      for (__m256i& sum : sums) {
        __asm__ volatile("" : "+x"(codes));  // unknown to the compiler: every product is computed
        sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes, ones));
        update_in_place(sum);
      }
    }
    for (const __m256i& sum : sums) {
      wide = _mm256_add_epi32(wide, _mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
    }
  }
  int32_t lanes[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), wide);
  return count_of(lanes, 8);
}

}  // namespace rotor::kernels
