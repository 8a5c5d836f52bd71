// SPDX-License-Identifier: Apache-2.0
// i2 product with scales of groups for AVX2.
#include "kernels/x86/group_halves.h"
#include "kernels/x86/i2_level_avx2.h"

namespace rotor::kernels {

void group_matmul_i2_f16_avx2(const GroupMatmulArgs& args) { group_halves<I2, F16>(args); }

void group_matmul_i2_f32_avx2(const GroupMatmulArgs& args) { group_halves<I2, F32>(args); }

}  // namespace rotor::kernels
