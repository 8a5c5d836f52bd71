// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, for AArch64.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"

namespace rotor::kernels {

void rest_dots_neon(const RestDotsArgs& args) {
  int32x4_t sums[2] = {};
  for (size_t col = 0; col < args.cols; col += kRestChunkCols) {
    for (size_t at = 0; at < 64; at += 16) {
      const uint8x16_t bytes = vld1q_u8(args.rests + col / 4 + at);
      for (size_t f = 0; f < 4; ++f) {
        const int8x16_t rests = field_of(bytes, f);
        for (size_t v = 0; v < 2; ++v) {
          const int8x16_t x = vld1q_s8(args.x + v * args.x_stride + col + 64 * f + at);
          const int16x8_t low = vmull_s8(vget_low_s8(rests), vget_low_s8(x));
          sums[v] = vpadalq_s16(sums[v], vmlal_high_s8(low, rests, x));
        }
      }
    }
  }
  args.out[0] = vaddvq_s32(sums[0]);
  args.out[1] = vaddvq_s32(sums[1]);
}

}  // namespace rotor::kernels
