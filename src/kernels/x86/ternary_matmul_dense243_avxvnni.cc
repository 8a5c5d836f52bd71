// SPDX-License-Identifier: Apache-2.0
// dense243 product for AVX-VNNI: digits at scale 1 times bytes into 32-bit lanes, by halves of a tile.
// Sums may wrap: the end result, after sum(x) is taken off, fits by the contract of TernaryMatmulArgs.
#include "kernels/x86/dense243_digits.h"
#include "kernels/x86/ternary_matmul_halves.h"

namespace rotor::kernels {
namespace {

struct Dense243 {
  static constexpr size_t kTileCols = 20;
  static constexpr size_t kMaxTiles = size_t{1} << 24;  // more than a row has
  static constexpr size_t kBatchTile = 8;               // 8 accumulators, 5 digits

  template <size_t kHalves, size_t kBatch>
  static void multiply(HalfStreams in, size_t tiles, const int8_t* x, size_t x_stride,
                       __m256i (&result)[kHalves][kBatch]) {
    // With few vectors an addition waits for the one before: two sums of each.
    constexpr size_t kSums = kHalves * kBatch < 8 ? 2 : 1;
    __m256i sums[kHalves][kBatch][kSums] = {};
    for (size_t t = 0; t < tiles; ++t) {
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
            __m256i& sum = sums[h][b][d % kSums];
            sum = _mm256_dpbusd_avx_epi32(sum, digit[d],
                                          broadcast4(columns + b * x_stride + 4 * d));
          }
        }
      }
    }
    for (size_t h = 0; h < kHalves; ++h) {
      for (size_t b = 0; b < kBatch; ++b) {
        for (size_t i = 0; i < kSums; ++i) {
          result[h][b] = _mm256_add_epi32(result[h][b], sums[h][b][i]);
        }
      }
    }
  }
};

}  // namespace

void ternary_matmul_dense243_avxvnni(const TernaryMatmulArgs& args) {
  ternary_matmul_halves<Dense243>(args);
}

}  // namespace rotor::kernels
