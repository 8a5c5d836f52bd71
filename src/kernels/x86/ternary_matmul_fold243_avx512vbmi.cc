// SPDX-License-Identifier: Apache-2.0
// fold243 product for AVX-512 VNNI and VBMI.
#include "kernels/x86/fold243_tile_avx512.h"

namespace rotor::kernels {

void ternary_matmul_fold243_avx512vbmi(const TernaryMatmulArgs& args) {
  ternary_matmul_blocks<Fold243>(args);
}

}  // namespace rotor::kernels
