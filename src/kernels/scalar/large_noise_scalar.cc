// SPDX-License-Identifier: Apache-2.0
// The bits of one token after the other.
#include <bit>

#include "base/philox.h"
#include "kernels/kernel_list.h"

namespace rotor::kernels {

size_t large_noise_scalar(const LargeNoiseArgs& args) {
  size_t found = 0;
  for (uint32_t i = 0; i < args.count; ++i) {
    const uint64_t bits =
        philox_bits({args.first + i, args.position, args.sample, 0}, args.seed);
    if (std::countl_zero(bits) >= args.zeros) {
      args.found[found++] = i;
    }
  }
  return found;
}

}  // namespace rotor::kernels
