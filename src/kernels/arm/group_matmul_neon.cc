// SPDX-License-Identifier: Apache-2.0
// i2 product with scales of groups for baseline AArch64: a group, at most 16 tiles, fits the 16-bit
// lanes (i2_sums_neon.h has the bound).
#include "kernels/arm/group_scales_neon.h"
#include "kernels/arm/i2_sums_neon.h"

namespace rotor::kernels {
namespace {

struct Neon {
  template <size_t kBatch>
  static void group_sums(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                         size_t x_stride, int32x4_t (&sums)[kBatch][4]) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      Sums16 narrow[kBatch];
      add_quarter(weights + 16 * quarter, begin, end, x, x_stride, narrow);
      for (size_t b = 0; b < kBatch; ++b) {
        const int32x4_t rows = vpaddq_s32(vpaddlq_s16(narrow[b].low), vpaddlq_s16(narrow[b].high));
        sums[b][quarter] = vaddq_s32(sums[b][quarter], rows);
      }
    }
  }
};

}  // namespace

void group_matmul_i2_f16_neon(const GroupMatmulArgs& args) { group_matmul<Neon, F16>(args); }

void group_matmul_i2_f32_neon(const GroupMatmulArgs& args) { group_matmul<Neon, F32>(args); }

}  // namespace rotor::kernels
