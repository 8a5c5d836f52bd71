// SPDX-License-Identifier: Apache-2.0
// Sums over the tiles of the coarse head, as its layout defines them.
#include "kernels/kernel_list.h"

namespace rotor::kernels {

void code_dots_scalar(const CodeDotsArgs& args) {
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* codes = args.codes + block * 16 * args.cols;
    for (size_t v = 0; v < args.vectors; ++v) {
      const int8_t* x = args.x + v * args.x_stride;
      int32_t sums[16] = {};
      for (size_t quad = 0; quad < args.cols; quad += 4) {
        for (size_t r = 0; r < 16; ++r) {
          for (size_t j = 0; j < 4; ++j) {
            sums[r] += codes[16 * quad + 4 * r + j] * x[quad + j];
          }
        }
      }
      for (size_t r = 0; r < 16; ++r) {
        args.out[v * args.out_stride + 16 * block + r] = sums[r];
      }
    }
  }
}

}  // namespace rotor::kernels
