// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AVX-VNNI: vpdpbusd multiplies the codes of a row with four values of
// x that all rows share.
#include "kernels/x86/code_dots_halves.h"

namespace rotor::kernels {
namespace {

struct Level : Halves {
  static __m256i add(__m256i sum, __m256i codes, __m256i x) {
    return _mm256_dpbusd_avx_epi32(sum, codes, x);
  }
};

}  // namespace

void code_dots_avxvnni(const CodeDotsArgs& args) { code_dots_blocks<Level>(args); }

}  // namespace rotor::kernels
