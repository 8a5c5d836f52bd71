// SPDX-License-Identifier: Apache-2.0
// The sums of an i2 product for AVX-VNNI: as for AVX-512 VNNI (i2_tile_avx512.h, which has the
// bounds), by halves of a tile. Fields are masked in place, have their own accumulators, and are
// brought to scale at the end.
#pragma once

#include "kernels/x86/ternary_matmul_halves.h"

namespace rotor::kernels {
namespace {

inline __m256i field_mask(size_t d) { return _mm256_set1_epi8(static_cast<char>(3 << (2 * d))); }

struct I2 {
  static constexpr size_t kTileCols = 16;
  static constexpr size_t kMaxTiles = size_t{1} << 13;
  static constexpr size_t kBatchTile = 2;  // 8 accumulators
  static constexpr size_t kFields = 4;

  template <size_t kHalves, size_t kBatch>
  static void multiply(HalfStreams in, size_t tiles, const int8_t* x, size_t x_stride,
                       __m256i (&result)[kHalves][kBatch]) {
    __m256i sums[kHalves][kBatch][kFields];
    for (size_t h = 0; h < kHalves; ++h) {
      for (size_t b = 0; b < kBatch; ++b) {
        for (size_t d = 0; d < kFields; ++d) {
          sums[h][b][d] = _mm256_setzero_si256();
        }
      }
    }
    for (size_t t = 0; t < tiles; ++t) {
      for (size_t h = 0; h < kHalves; h += 2) {
        prefetch(in.tile(h, t) + in.ahead);
      }
      for (size_t d = 0; d < kFields; ++d) {
        for (size_t h = 0; h < kHalves; ++h) {
          const __m256i codes = _mm256_and_si256(in.load(h, t), field_mask(d));
          for (size_t b = 0; b < kBatch; ++b) {
            sums[h][b][d] = _mm256_dpbusd_avx_epi32(
                sums[h][b][d], codes, broadcast4(x + b * x_stride + kTileCols * t + 4 * d));
            update_in_place(sums[h][b][d]);
          }
        }
      }
    }
    for (size_t h = 0; h < kHalves; ++h) {
      for (size_t b = 0; b < kBatch; ++b) {
        const __m256i(&field)[kFields] = sums[h][b];
        const __m256i low = _mm256_add_epi32(field[0], _mm256_srai_epi32(field[1], 2));
        const __m256i high =
            _mm256_add_epi32(_mm256_srai_epi32(field[2], 4), _mm256_srai_epi32(field[3], 6));
        result[h][b] = _mm256_add_epi32(result[h][b], _mm256_add_epi32(low, high));
      }
    }
  }
};

}  // namespace
}  // namespace rotor::kernels
