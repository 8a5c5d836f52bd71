// SPDX-License-Identifier: Apache-2.0
// i2 product for baseline AArch64.
#include "kernels/arm/i2_sums_neon.h"
#include "kernels/arm/ternary_matmul_neon.h"

namespace rotor::kernels {
namespace {

struct I2 {
  static constexpr size_t kFlushTiles = kernels::kFlushTiles;

  template <size_t kBatch>
  static void add(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                  size_t x_stride, Sums16 (&sums)[kBatch]) {
    add_quarter(weights, begin, end, x, x_stride, sums);
  }
};

}  // namespace

void ternary_matmul_i2_neon(const TernaryMatmulArgs& args) { ternary_matmul_quarters<I2>(args); }

}  // namespace rotor::kernels
