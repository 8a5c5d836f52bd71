// SPDX-License-Identifier: Apache-2.0
#include <arm_neon.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {

uint64_t integer_peak_dotprod(uint64_t rounds) {
  constexpr size_t kSums = 12;
  constexpr size_t kSteps = kPeakMultiplyAdds / 16 / kSums;
  const int8x16_t ones = vdupq_n_s8(1);
  int8x16_t x = ones;
  int32x4_t sums[kSums];
  for (int32x4_t& sum : sums) {
    sum = vdupq_n_s32(0);
  }
  for (uint64_t step = 0; step < rounds * kSteps; ++step) {
    __asm__ volatile("" : "+w"(x));
    for (int32x4_t& sum : sums) {
      sum = vdotq_s32(sum, x, ones);
    }
  }
  uint64_t all = 0;
  for (const int32x4_t& sum : sums) {
    all += static_cast<uint64_t>(vaddlvq_s32(sum));
  }
  return all;
}

}  // namespace rotor::kernels
