// SPDX-License-Identifier: Apache-2.0
// i2 product for AArch64 with SDOT.
#include "kernels/arm/i2_tiles_dotprod.h"
#include "kernels/arm/ternary_matmul_dotprod.h"

namespace rotor::kernels {
namespace {

struct I2 {
  template <size_t kBatch>
  static void add(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                  size_t x_stride, int32x4_t (&sums)[kBatch][4]) {
    add_tiles(weights, begin, end, x, x_stride, sums);
  }
};

}  // namespace

void ternary_matmul_i2_dotprod(const TernaryMatmulArgs& args) {
  ternary_matmul_quarters<I2>(args);
}

}  // namespace rotor::kernels
