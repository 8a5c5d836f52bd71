// SPDX-License-Identifier: Apache-2.0
// i2 product for AVX-512 VNNI: a tile is 16 rows by 16 columns, and vpdpbusd multiplies the four codes
// of a row with four activations that all rows share.
//
// Fields are not shifted down: field d is masked in place, so its codes are scaled by 4^d (at most
// 2 * 64 = 128, an unsigned byte), and has its own accumulator, which is shifted down once at the
// end; its terms are all multiples of 4^d. Field 3 sees a quarter of the K columns, so its accumulator
// stays within K / 4 * 128 * 128 = 2^12 K, which 2^13 tiles (K = 2^17) keep below 2^29; longer rows
// are cut there.
#include "kernels/x86/ternary_matmul_avx512.h"

namespace rotor::kernels {
namespace {

struct I2 {
  static constexpr size_t kTileCols = 16;
  static constexpr size_t kMaxTiles = size_t{1} << 13;
  static constexpr size_t kBatchTile = 6;  // 24 accumulators, 4 fields
  static constexpr size_t kFields = 4;

  // Four accumulators leave vpdpbusd waiting for itself when there is a single vector; memory is
  // slower still.
  template <size_t kBatch>
  struct Sums {
    __m512i field[kBatch][kFields] = {};

    void add(const uint8_t* tile, const int8_t* x, size_t x_stride) {
      const __m512i weights = _mm512_load_si512(tile);
      for (size_t d = 0; d < kFields; ++d) {
        const __m512i codes = _mm512_and_si512(weights, field_mask(d));
        for (size_t b = 0; b < kBatch; ++b) {
          field[b][d] =
              _mm512_dpbusd_epi32(field[b][d], codes, broadcast4(x + b * x_stride + 4 * d));
          update_in_place(field[b][d]);
        }
      }
    }
    __m512i total(size_t b) const {
      const __m512i low = _mm512_add_epi32(field[b][0], _mm512_srai_epi32(field[b][1], 2));
      const __m512i high =
          _mm512_add_epi32(_mm512_srai_epi32(field[b][2], 4), _mm512_srai_epi32(field[b][3], 6));
      return _mm512_add_epi32(low, high);
    }
  };
};

}  // namespace

void ternary_matmul_i2_avx512vnni(const TernaryMatmulArgs& args) {
  ternary_matmul_blocks<I2>(args);
}

}  // namespace rotor::kernels
