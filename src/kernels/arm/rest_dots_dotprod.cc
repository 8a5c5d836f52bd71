// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, for AArch64 with SDOT.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"

namespace rotor::kernels {

void rest_dots_dotprod(const RestDotsArgs& args) {
  int32x4_t sums[2] = {};
  for (size_t col = 0; col < args.cols; col += kRestChunkCols) {
    for (size_t at = 0; at < 64; at += 16) {
      const uint8x16_t bytes = vld1q_u8(args.rests + col / 4 + at);
      for (size_t f = 0; f < 4; ++f) {
        const int8x16_t rests = field_of(bytes, f);
        const int8_t* x = args.x + col + 64 * f + at;
        sums[0] = vdotq_s32(sums[0], rests, vld1q_s8(x));
        sums[1] = vdotq_s32(sums[1], rests, vld1q_s8(x + args.x_stride));
      }
    }
  }
  args.out[0] = vaddvq_s32(sums[0]);
  args.out[1] = vaddvq_s32(sums[1]);
}

}  // namespace rotor::kernels
