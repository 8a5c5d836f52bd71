// SPDX-License-Identifier: Apache-2.0
// fold243 product for AMX.
#include "kernels/x86/amx_matmul.h"
#include "kernels/x86/fold243_tile_avx512.h"

namespace rotor::kernels {

void ternary_matmul_fold243_avx512vbmi(const TernaryMatmulArgs& args);

void ternary_matmul_fold243_amx(const TernaryMatmulArgs& args) {
  if (args.batch < kMinVectors) {
    ternary_matmul_fold243_avx512vbmi(args);
  } else {
    matmul_amx<Fold243>(args);
  }
}

}  // namespace rotor::kernels
