// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AArch64: codes less 128 are signed bytes whose products with x,
// within 128 * 64, fit 16 bits; 128 times the sum of x is added back.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"

namespace rotor::kernels {

void code_dots_neon(const CodeDotsArgs& args) {
  for (size_t v = 0; v < args.vectors; ++v) {
    const int8_t* x = args.x + v * args.x_stride;
    const int32x4_t start = vdupq_n_s32(128 * sum_of(x, args.cols));
    for (size_t block = 0; block < args.row_blocks; ++block) {
      const uint8_t* codes = args.codes + block * 16 * args.cols;
      int32x4_t sums[4] = {start, start, start, start};
      for (size_t quad = 0; quad < args.cols; quad += 4) {
        const int8x16_t four = broadcast4(x + quad);
        for (size_t quarter = 0; quarter < 4; ++quarter) {
          const uint8x16_t bytes = vld1q_u8(codes + 16 * quad + 16 * quarter);
          const int8x16_t centred = vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80)));
          const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(centred), vget_low_s8(four)));
          const int32x4_t high = vpaddlq_s16(vmull_high_s8(centred, four));
          sums[quarter] = vaddq_s32(sums[quarter], vpaddq_s32(low, high));
        }
      }
      for (size_t quarter = 0; quarter < 4; ++quarter) {
        vst1q_s32(args.out + v * args.out_stride + 16 * block + 4 * quarter, sums[quarter]);
      }
    }
  }
}

}  // namespace rotor::kernels
