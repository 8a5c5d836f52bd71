// SPDX-License-Identifier: Apache-2.0
// fold243 product for AMX: the five digits of a tile are five panel rows.
#include "kernels/x86/amx_matmul.h"
#include "kernels/x86/fold243_fields.h"

namespace rotor::kernels {

void ternary_matmul_fold243_avx512vbmi(const TernaryMatmulArgs& args);

namespace {

struct Fold243 {
  static constexpr size_t kTileCols = 20;

  // out (5, 64)
  static void unpack(__m512i v, uint8_t* out) {
    const __m512i mask = _mm512_set1_epi8(3);
    const Unfolded digits = unfold(v);
    _mm512_store_si512(out, _mm512_and_si512(digits.fields, mask));
    _mm512_store_si512(out + 64, _mm512_and_si512(_mm512_srli_epi16(digits.fields, 2), mask));
    _mm512_store_si512(out + 128, _mm512_and_si512(_mm512_srli_epi16(digits.fields, 4), mask));
    _mm512_store_si512(out + 192, _mm512_and_si512(_mm512_srli_epi16(digits.fields, 6), mask));
    _mm512_store_si512(out + 256, _mm512_and_si512(_mm512_srli_epi16(digits.last, 6), mask));
  }
};

}  // namespace

void ternary_matmul_fold243_amx(const TernaryMatmulArgs& args) {
  if (args.batch < kMinVectors) {
    ternary_matmul_fold243_avx512vbmi(args);
  } else {
    matmul_amx<Fold243>(args);
  }
}

}  // namespace rotor::kernels
