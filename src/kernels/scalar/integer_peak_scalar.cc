// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernel_types.h"

namespace rotor::kernels {

uint64_t integer_peak_scalar(uint64_t rounds) {
  constexpr size_t kSums = 12;
  int32_t sums[kSums] = {};
  const int32_t one = 1;
  for (uint64_t i = 0; i < rounds * (kPeakMultiplyAdds / kSums); ++i) {
    for (int32_t& sum : sums) {
      int32_t factor = one;
      __asm__ volatile("" : "+r"(factor));  // unknown to the compiler: every product is computed
      sum += factor * factor;
    }
  }
  uint64_t all = 0;
  for (const int32_t sum : sums) {
    all += static_cast<uint64_t>(sum);
  }
  return all;
}

}  // namespace rotor::kernels
