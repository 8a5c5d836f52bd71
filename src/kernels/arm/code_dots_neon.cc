// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AArch64: products of a code and an x, within 63 * 64, fit 16 bits.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"

namespace rotor::kernels {

void code_dots_neon(const CodeDotsArgs& args) {
  const size_t block_bytes = args.cols / kCodeGroupCols * kCodeGroupBytes;
  for (size_t v = 0; v < args.vectors; ++v) {
    const int8_t* x = args.x + v * args.x_stride;
    for (size_t block = 0; block < args.row_blocks; ++block) {
      const uint8_t* codes = args.codes + block * block_bytes;
      int32x4_t sums[4] = {};
      for (size_t c = 0; c < args.cols; c += kCodeGroupCols) {
        for (size_t quarter = 0; quarter < 4; ++quarter) {
          uint8x16_t four_columns[4];
          unpack_group(codes + c / kCodeGroupCols * kCodeGroupBytes, quarter, four_columns);
          for (size_t t = 0; t < 4; ++t) {
            const int8x16_t code = vreinterpretq_s8_u8(four_columns[t]);
            const int8x16_t four = broadcast4(x + c + 4 * t);
            const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(code), vget_low_s8(four)));
            const int32x4_t high = vpaddlq_s16(vmull_high_s8(code, four));
            sums[quarter] = vaddq_s32(sums[quarter], vpaddq_s32(low, high));
          }
        }
      }
      for (size_t quarter = 0; quarter < 4; ++quarter) {
        vst1q_s32(args.out + v * args.out_stride + 16 * block + 4 * quarter, sums[quarter]);
      }
    }
  }
}

}  // namespace rotor::kernels
