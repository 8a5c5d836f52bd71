// SPDX-License-Identifier: Apache-2.0
// The sums of an i2 product for AVX2: bytes times bytes into 16-bit lanes (vpmaddubsw), widened before
// they can overflow. One 256-bit register holds half a tile, 8 rows.
//
// Codes stay where they are in their byte, scaled by 4^d, except that one shift by 4 brings the upper
// two fields down: fields at scale 1 are summed in `ones`, fields at scale 4 in `fours`. vpmaddubsw
// multiplies unsigned codes with signed activations and adds neighbours; with |x| <= 128 a result is
// within 2 * 2 * 128 = 512 at scale 1 and 2048 at scale 4. A tile adds two of them to each sum:
//   ones:  8 tiles * 2 *  512 =  8192
//   fours: 8 tiles * 2 * 2048 = 32768, and -32768 fits; the positive end is 8 * 2 * 2 * 8 * 127 = 32512
// so sums of 8 tiles fit 16 bits and vpmaddubsw does not saturate. All terms of fours are multiples of
// 4; a quarter of them, within 8192, and ones add up within 16384, and then they are widened.
// Codes times x are within 2 * 128 K <= 2^32 - 256 in magnitude for K <= 2^24 - 1: 32-bit lanes may
// wrap, and the result, which fits, is right modulo 2^32.
#pragma once

#include "kernels/x86/ternary_matmul_halves.h"

namespace rotor::kernels {
namespace {

struct I2 {
  static constexpr size_t kTileCols = 16;
  static constexpr size_t kMaxTiles = size_t{1} << 20;  // all there are
  static constexpr size_t kBatchTile = 4;  // 8 accumulators, 4 fields
  static constexpr size_t kFlushTiles = 8;

  template <size_t kHalves, size_t kBatch>
  static void multiply(HalfStreams in, size_t tiles, const int8_t* x, size_t x_stride,
                       __m256i (&result)[kHalves][kBatch]) {
    const __m256i field0 = _mm256_set1_epi8(0x03);
    const __m256i field1 = _mm256_set1_epi8(0x0c);
    for (size_t begin = 0; begin < tiles; begin += kFlushTiles) {
      const size_t end = tiles - begin < kFlushTiles ? tiles : begin + kFlushTiles;
      __m256i ones[kHalves][kBatch];
      __m256i fours[kHalves][kBatch];
      for (size_t h = 0; h < kHalves; ++h) {
        for (size_t b = 0; b < kBatch; ++b) {
          ones[h][b] = fours[h][b] = _mm256_setzero_si256();
        }
      }
#pragma GCC unroll 8
      for (size_t t = begin; t < end; ++t) {
#pragma GCC unroll 4
        for (size_t h = 0; h < kHalves; ++h) {
          if (h % 2 == 0) {
            prefetch(in.tile(h, t) + in.ahead);
          }
          const __m256i low = in.load(h, t);
          const __m256i high = _mm256_srli_epi16(low, 4);
          const __m256i codes0 = _mm256_and_si256(low, field0);
          const __m256i codes1 = _mm256_and_si256(low, field1);
          const __m256i codes2 = _mm256_and_si256(high, field0);
          const __m256i codes3 = _mm256_and_si256(high, field1);
          for (size_t b = 0; b < kBatch; ++b) {
            const int8_t* columns = x + b * x_stride + kTileCols * t;
            __m256i& one = ones[h][b];
            __m256i& four = fours[h][b];
            one = _mm256_add_epi16(one, _mm256_maddubs_epi16(codes0, broadcast4(columns)));
            four = _mm256_add_epi16(four, _mm256_maddubs_epi16(codes1, broadcast4(columns + 4)));
            one = _mm256_add_epi16(one, _mm256_maddubs_epi16(codes2, broadcast4(columns + 8)));
            four = _mm256_add_epi16(four, _mm256_maddubs_epi16(codes3, broadcast4(columns + 12)));
            update_in_place(one);
            update_in_place(four);
          }
        }
      }
      for (size_t h = 0; h < kHalves; ++h) {
        for (size_t b = 0; b < kBatch; ++b) {
          const __m256i sum = _mm256_add_epi16(ones[h][b], _mm256_srai_epi16(fours[h][b], 2));
          result[h][b] = _mm256_add_epi32(result[h][b], widen(sum));
        }
      }
    }
  }
};

}  // namespace
}  // namespace rotor::kernels
