// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, for AVX2.
#include "kernels/x86/rest_dots_halves.h"

namespace rotor::kernels {
namespace {

struct Level : RestHalves {
  static __m256i add(__m256i sum, __m256i rests, __m256i x) {
    return _mm256_add_epi32(sum, widen(_mm256_maddubs_epi16(rests, x)));
  }
};

}  // namespace

void rest_dots_avx2(const RestDotsArgs& args) { rest_dots_registers<Level>(args); }

}  // namespace rotor::kernels
