// SPDX-License-Identifier: Apache-2.0
// dense243 product for AArch64 with SDOT, which multiplies a digit of a row's four bytes with four
// activations that all rows share and adds them to its 32-bit lane.
#include "kernels/arm/dense243_digits.h"
#include "kernels/arm/ternary_matmul_dotprod.h"

namespace rotor::kernels {
namespace {

struct Dense243 {
  static constexpr size_t kTileCols = 20;

  template <size_t kBatch>
  static void add(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                  size_t x_stride, int32x4_t (&sums)[kBatch][4]) {
    for (size_t t = begin; t < end; ++t) {
      for (size_t quarter = 0; quarter < 4; ++quarter) {
        uint8x16_t digit[kDigits];
        digits_of(vld1q_u8(weights + 64 * t + 16 * quarter), digit);
        for (size_t b = 0; b < kBatch; ++b) {
          const int8_t* columns = x + b * x_stride + kTileCols * t;
          const int8x16_t first = vld1q_s8(columns);
          const int8x16_t fifth = vld1q_s8(columns + 4);  // in its last four bytes
          int32x4_t& sum = sums[b][quarter];
          sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(digit[0]), first, 0);
          sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(digit[1]), first, 1);
          sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(digit[2]), first, 2);
          sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(digit[3]), first, 3);
          sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u8(digit[4]), fifth, 3);
        }
      }
    }
  }
};

}  // namespace

void ternary_matmul_dense243_dotprod(const TernaryMatmulArgs& args) {
  ternary_matmul_quarters<Dense243>(args);
}

}  // namespace rotor::kernels
