// SPDX-License-Identifier: Apache-2.0
// i2 product for AVX-512 VNNI.
#include "kernels/x86/i2_tile_avx512.h"

namespace rotor::kernels {

void ternary_matmul_i2_avx512vnni(const TernaryMatmulArgs& args) {
  ternary_matmul_blocks<I2>(args);
}

}  // namespace rotor::kernels
