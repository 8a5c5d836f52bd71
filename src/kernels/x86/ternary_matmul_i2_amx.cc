// SPDX-License-Identifier: Apache-2.0
// i2 product for AMX.
#include "kernels/x86/amx_matmul.h"
#include "kernels/x86/i2_tile_avx512.h"

namespace rotor::kernels {

void ternary_matmul_i2_avx512vnni(const TernaryMatmulArgs& args);

void ternary_matmul_i2_amx(const TernaryMatmulArgs& args) {
  if (args.batch < kMinVectors) {
    ternary_matmul_i2_avx512vnni(args);
  } else {
    matmul_amx<I2>(args);
  }
}

}  // namespace rotor::kernels
