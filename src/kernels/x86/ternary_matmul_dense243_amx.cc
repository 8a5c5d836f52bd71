// SPDX-License-Identifier: Apache-2.0
// dense243 product for AMX: the five base-3 digits of a tile are five panel rows.
//
// Digits 0 to 3 are looked up by v mod 81 as fields of two bits (ternary_matmul_dense243_avx512vbmi.cc).
// v - v mod 81 is 81 times digit 4, and 81 is 1 modulo 4: its lowest two bits are the digit.
#include "kernels/x86/amx_matmul.h"
#include "kernels/x86/dense243_fields.h"

namespace rotor::kernels {

void ternary_matmul_dense243_avx512vbmi(const TernaryMatmulArgs& args);

namespace {

struct Dense243 {
  static constexpr size_t kTileCols = 20;

  // out (5, 64)
  static void unpack(__m512i v, uint8_t* out) {
    const __m512i mask = _mm512_set1_epi8(3);
    const __m512i v81 = residue(v, 81);
    const __m512i fields = FieldLookup()(v81);
    _mm512_store_si512(out, _mm512_and_si512(fields, mask));
    _mm512_store_si512(out + 64, _mm512_and_si512(_mm512_srli_epi16(fields, 2), mask));
    _mm512_store_si512(out + 128, _mm512_and_si512(_mm512_srli_epi16(fields, 4), mask));
    _mm512_store_si512(out + 192, _mm512_and_si512(_mm512_srli_epi16(fields, 6), mask));
    _mm512_store_si512(out + 256, _mm512_and_si512(_mm512_sub_epi8(v, v81), mask));
  }
};

}  // namespace

void ternary_matmul_dense243_amx(const TernaryMatmulArgs& args) {
  if (args.batch < kMinVectors) {
    ternary_matmul_dense243_avx512vbmi(args);
  } else {
    matmul_amx<Dense243>(args);
  }
}

}  // namespace rotor::kernels
