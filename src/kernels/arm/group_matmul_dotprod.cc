// SPDX-License-Identifier: Apache-2.0
// i2 product with scales of groups for AArch64 with SDOT.
#include "kernels/arm/group_scales_neon.h"
#include "kernels/arm/i2_tiles_dotprod.h"

namespace rotor::kernels {
namespace {

struct Dotprod {
  template <size_t kBatch>
  static void group_sums(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                         size_t x_stride, int32x4_t (&sums)[kBatch][4]) {
    add_tiles(weights, begin, end, x, x_stride, sums);
  }
};

}  // namespace

void group_matmul_i2_f16_dotprod(const GroupMatmulArgs& args) { group_matmul<Dotprod, F16>(args); }

void group_matmul_i2_f32_dotprod(const GroupMatmulArgs& args) { group_matmul<Dotprod, F32>(args); }

}  // namespace rotor::kernels
