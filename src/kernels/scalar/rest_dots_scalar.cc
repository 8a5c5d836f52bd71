// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, as its layout defines it.
#include "kernels/kernel_list.h"

namespace rotor::kernels {

void rest_dots_scalar(const RestDotsArgs& args) {
  for (size_t v = 0; v < 2; ++v) {
    const int8_t* x = args.x + v * args.x_stride;
    int32_t sum = 0;
    for (size_t c = 0; c < args.cols; ++c) {
      const size_t byte = c / kRestChunkCols * 64 + c % 64;
      const size_t field = c % kRestChunkCols / 64;
      sum += (args.rests[byte] >> (2 * field) & 3) * x[c];
    }
    args.out[v] = sum;
  }
}

}  // namespace rotor::kernels
