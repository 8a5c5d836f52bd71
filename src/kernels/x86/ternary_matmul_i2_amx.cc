// SPDX-License-Identifier: Apache-2.0
// i2 product for AMX: field d of a tile, shifted down and masked, is a panel row.
#include "kernels/x86/amx_matmul.h"

namespace rotor::kernels {

void ternary_matmul_i2_avx512vnni(const TernaryMatmulArgs& args);

namespace {

struct I2 {
  static constexpr size_t kTileCols = 16;

  // out (4, 64)
  static void unpack(__m512i tile, uint8_t* out) {
    const __m512i mask = _mm512_set1_epi8(3);
    _mm512_store_si512(out, _mm512_and_si512(tile, mask));
    _mm512_store_si512(out + 64, _mm512_and_si512(_mm512_srli_epi16(tile, 2), mask));
    _mm512_store_si512(out + 128, _mm512_and_si512(_mm512_srli_epi16(tile, 4), mask));
    _mm512_store_si512(out + 192, _mm512_and_si512(_mm512_srli_epi16(tile, 6), mask));
  }
};

}  // namespace

void ternary_matmul_i2_amx(const TernaryMatmulArgs& args) {
  if (args.batch < kMinVectors) {
    ternary_matmul_i2_avx512vnni(args);
  } else {
    matmul_amx<I2>(args);
  }
}

}  // namespace rotor::kernels
