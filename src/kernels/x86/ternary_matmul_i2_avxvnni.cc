// SPDX-License-Identifier: Apache-2.0
// i2 product for AVX-VNNI: as for AVX-512 VNNI (ternary_matmul_i2_avx512vnni.cc, which has the bounds), with
// a tile in two 256-bit registers of 8 rows. Fields are masked in place, have their own accumulators,
// and are brought to scale at the end.
#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kMaxTiles = size_t{1} << 13;
constexpr size_t kTileCols = 16;
constexpr size_t kFields = 4;
constexpr size_t kPrefetchBytes = 2048;

inline __m256i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

inline __m256i field_mask(size_t d) { return _mm256_set1_epi8(static_cast<char>(3 << (2 * d))); }

// result += codes times x over `tiles` <= kMaxTiles tiles for kHalves times 8 rows and kBatch vectors.
template <size_t kHalves, size_t kBatch>
inline void multiply(const uint8_t* weights, size_t tiles, const int8_t* x, size_t x_stride,
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
    const uint8_t* tile = weights + 64 * t;
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes), _MM_HINT_T0);
    for (size_t d = 0; d < kFields; ++d) {
      for (size_t h = 0; h < kHalves; ++h) {
        const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + 32 * h));
        const __m256i codes = _mm256_and_si256(half, field_mask(d));
        for (size_t b = 0; b < kBatch; ++b) {
          sums[h][b][d] = _mm256_dpbusd_avx_epi32(
              sums[h][b][d], codes, broadcast4(x + b * x_stride + kTileCols * t + 4 * d));
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

// kHalves halves of a row block, from half `half` on.
template <size_t kHalves, size_t kBatch>
inline void halves(const TernaryMatmulArgs& args, size_t block, size_t half, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride + 32 * half;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m256i sums[kHalves][kBatch];
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
      sums[h][b] = _mm256_set1_epi32(-args.x_sum[b0 + b]);
    }
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += kMaxTiles) {
    const size_t left = args.tile_end - tile;
    multiply<kHalves, kBatch>(weights + 64 * tile, left < kMaxTiles ? left : kMaxTiles,
                              x + kTileCols * tile, args.x_stride, sums);
  }
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      int32_t* out = args.out + (b0 + b) * args.out_stride + 16 * block + 8 * (half + h);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[h][b]);
    }
  }
}

// A single vector takes both halves of a tile at once; for several the registers do not reach.
template <size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  if constexpr (kBatch == 1) {
    halves<2, 1>(args, block, 0, b0);
  } else {
    halves<1, kBatch>(args, block, 0, b0);
    halves<1, kBatch>(args, block, 1, b0);
  }
}

}  // namespace

void ternary_matmul_i2_avxvnni(const TernaryMatmulArgs& args) {
  for (size_t block = 0; block < args.row_blocks; ++block) {
    size_t b = 0;
    for (; b + 2 <= args.batch; b += 2) {  // 8 accumulators
      row_block<2>(args, block, b);
    }
    if (b < args.batch) {
      row_block<1>(args, block, b);
    }
  }
}

}  // namespace rotor::kernels
