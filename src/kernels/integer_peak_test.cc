// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernel_check.h"

namespace rotor {

// The result counts the products, so a loop that the compiler shortened would have to invent them.
void check_kernel(const std::string& name, IntegerPeak kernel, IntegerPeak scalar) {
  for (const uint64_t rounds : {0, 1, 2, 7}) {
    ASSERT_EQ(scalar(rounds), rounds * kPeakMultiplyAdds);
    ASSERT_EQ(kernel(rounds), scalar(rounds)) << name << ", " << rounds << " rounds";
  }
  ASSERT_EQ(kernel(kMostPeakRounds), kMostPeakRounds * kPeakMultiplyAdds) << name;
}

}  // namespace rotor
