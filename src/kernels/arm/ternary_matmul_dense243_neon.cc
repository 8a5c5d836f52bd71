// SPDX-License-Identifier: Apache-2.0
// dense243 product for baseline AArch64: digits times bytes added up in 16-bit lanes.
//
// A product of a digit 0..2 and an activation is within 2 * 128 = 256. A lane takes one product per
// digit, five a tile; 25 tiles add up to at most 25 * 5 * 256 = 32000.
#include "kernels/arm/dense243_digits.h"
#include "kernels/arm/ternary_matmul_neon.h"

namespace rotor::kernels {
namespace {

struct Dense243 {
  static constexpr size_t kTileCols = 20;
  static constexpr size_t kFlushTiles = 25;

  template <size_t kBatch>
  static void add(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                  size_t x_stride, Sums16 (&sums)[kBatch]) {
    for (size_t t = begin; t < end; ++t) {
      uint8x16_t digit[kDigits];
      digits_of(vld1q_u8(weights + 64 * t), digit);
      for (size_t b = 0; b < kBatch; ++b) {
        for (size_t d = 0; d < kDigits; ++d) {
          sums[b].add(digit[d], broadcast4(x + b * x_stride + kTileCols * t + 4 * d));
        }
      }
    }
  }
};

}  // namespace

void ternary_matmul_dense243_neon(const TernaryMatmulArgs& args) {
  ternary_matmul_quarters<Dense243>(args);
}

}  // namespace rotor::kernels
