// SPDX-License-Identifier: Apache-2.0
// Widening multiply-adds into 16-bit lanes, as the products of this level. A lane gains 1 a product
// and 1,024 a round, after which it is widened.
#include <arm_neon.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {

uint64_t integer_peak_neon(uint64_t rounds) {
  constexpr size_t kSums = 24;  // two of 8 products each for a pair of full registers
  constexpr size_t kSteps = kPeakMultiplyAdds / 8 / kSums;
  static_assert(kSteps < 32768);
  const int8x16_t ones = vdupq_n_s8(1);
  uint64_t all = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    int16x8_t sums[kSums];
    for (int16x8_t& sum : sums) {
      sum = vdupq_n_s16(0);
    }
    int8x16_t x = ones;
    for (size_t step = 0; step < kSteps; ++step) {
      for (size_t i = 0; i < kSums; i += 2) {
        __asm__ volatile("" : "+w"(x));  // unknown to the compiler: every product is computed
        sums[i] = vmlal_s8(sums[i], vget_low_s8(x), vget_low_s8(ones));
        sums[i + 1] = vmlal_high_s8(sums[i + 1], x, ones);
      }
    }
    for (const int16x8_t& sum : sums) {
      all += static_cast<uint64_t>(vaddlvq_s16(sum));
    }
  }
  return all;
}

}  // namespace rotor::kernels
