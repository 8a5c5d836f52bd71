// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AVX2: vpmaddubsw adds two products of a byte and an x, which by the
// contract of CodeDotsArgs fit 16 bits, and vpmaddwd widens.
#include "kernels/x86/code_dots_halves.h"

namespace rotor::kernels {
namespace {

struct Level : Halves {
  static __m256i add(__m256i sum, __m256i codes, __m256i x) {
    const __m256i pairs = _mm256_maddubs_epi16(codes, x);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

}  // namespace

void code_dots_avx2(const CodeDotsArgs& args) { code_dots_blocks<Level>(args); }

}  // namespace rotor::kernels
