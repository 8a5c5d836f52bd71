// SPDX-License-Identifier: Apache-2.0
// dense243 product for AMX: the five base-3 digits of a tile are five panel rows.
//
// With v81 = v mod 81 and so on (ternary_matmul_dense243_avx512vnni.cc), the differences v - v81 = 81
// t, v81 - v27 = 27 t, v27 - v9 = 9 t and v9 - v3 = 3 t hold the digits t. 81 and 9 are 1 modulo 4,
// 27 and 3 are -1: so t is the difference, or its negative, modulo 4.
#include "kernels/x86/amx_matmul.h"
#include "kernels/x86/residue.h"

namespace rotor::kernels {

void ternary_matmul_dense243_avx512vbmi(const TernaryMatmulArgs& args);

namespace {

inline __m512i difference_mod4(__m512i a, __m512i b) {
  return _mm512_and_si512(_mm512_sub_epi8(a, b), _mm512_set1_epi8(3));
}

struct Dense243 {
  static constexpr size_t kTileCols = 20;

  // out (5, 64)
  static void unpack(__m512i v, uint8_t* out) {
    const __m512i v81 = residue(v, 81);
    const __m512i v27 = residue(v81, 27);
    const __m512i v9 = residue(v27, 9);
    const __m512i v3 = residue(v9, 3);
    _mm512_store_si512(out, v3);
    _mm512_store_si512(out + 64, difference_mod4(v3, v9));
    _mm512_store_si512(out + 128, difference_mod4(v27, v9));
    _mm512_store_si512(out + 192, difference_mod4(v27, v81));
    _mm512_store_si512(out + 256, difference_mod4(v, v81));
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
