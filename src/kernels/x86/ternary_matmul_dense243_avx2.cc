// SPDX-License-Identifier: Apache-2.0
// dense243 product for AVX2: digits times bytes into 16-bit lanes (vpmaddubsw), widened before they can
// overflow. One 256-bit register holds half a tile, 8 rows.
//
// vpmaddubsw multiplies digits of at most 2 with |x| <= 128 and adds neighbours: within 512, so five
// digits of 12 tiles stay within 30720 in 16 bits. 32-bit sums may wrap: the end result, after sum(x) is
// taken off, fits by the contract of TernaryMatmulArgs.
#include "kernels/x86/dense243_digits.h"
#include "kernels/x86/ternary_matmul_halves.h"

namespace rotor::kernels {
namespace {

struct Dense243 {
  static constexpr size_t kTileCols = 20;
  static constexpr size_t kMaxTiles = size_t{1} << 24;  // more than a row has
  static constexpr size_t kBatchTile = 8;               // 8 accumulators, 5 digits
  static constexpr size_t kFlushTiles = 12;

  template <size_t kHalves, size_t kBatch>
  static void multiply(HalfStreams in, size_t tiles, const int8_t* x, size_t x_stride,
                       __m256i (&result)[kHalves][kBatch]) {
    for (size_t begin = 0; begin < tiles; begin += kFlushTiles) {
      const size_t end = tiles - begin < kFlushTiles ? tiles : begin + kFlushTiles;
      __m256i sums[kHalves][kBatch] = {};
      for (size_t t = begin; t < end; ++t) {
        const int8_t* columns = x + kTileCols * t;
// GCC 12 keeps sums in memory when a loop over them is not unrolled early.
#pragma GCC unroll 4
        for (size_t h = 0; h < kHalves; ++h) {
          __m256i digit[kDigits];
          if (h % 2 == 0) {
            prefetch(in.tile(h, t) + in.ahead);
          }
          digits_of(in.load(h, t), digit);
#pragma GCC unroll 8
          for (size_t b = 0; b < kBatch; ++b) {
#pragma GCC unroll 5
            for (size_t d = 0; d < kDigits; ++d) {
              const __m256i four = broadcast4(columns + b * x_stride + 4 * d);
              sums[h][b] = _mm256_add_epi16(sums[h][b], _mm256_maddubs_epi16(digit[d], four));
            }
          }
        }
      }
      for (size_t h = 0; h < kHalves; ++h) {
        for (size_t b = 0; b < kBatch; ++b) {
          result[h][b] = _mm256_add_epi32(result[h][b], widen(sums[h][b]));
        }
      }
    }
  }
};

}  // namespace

void ternary_matmul_dense243_avx2(const TernaryMatmulArgs& args) {
  ternary_matmul_halves<Dense243>(args);
}

}  // namespace rotor::kernels
