// SPDX-License-Identifier: Apache-2.0
// i2 product for AVX2.
#include "kernels/x86/i2_level_avx2.h"

namespace rotor::kernels {

void ternary_matmul_i2_avx2(const TernaryMatmulArgs& args) { ternary_matmul_halves<I2>(args); }

}  // namespace rotor::kernels
