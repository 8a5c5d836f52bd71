// SPDX-License-Identifier: Apache-2.0
// i2 product for AVX2: bytes times bytes into 16-bit lanes (vpmaddubsw), widened before they can
// overflow. One 256-bit register holds half a tile, 8 rows.
//
// Codes stay where they are in their byte, scaled by 4^d, except that one shift by 4 brings the upper
// two fields down: fields at scale 1 are summed in `ones`, fields at scale 4 in `fours`. vpmaddubsw
// multiplies unsigned codes with signed activations and adds neighbours; with |x| <= 128 a result is
// within 2 * 2 * 128 = 512 at scale 1 and 2048 at scale 4. A tile adds two of them to each sum:
//   ones:  8 tiles * 2 *  512 =  8192
//   fours: 8 tiles * 2 * 2048 = 32768, and -32768 fits; the positive end is 8 * 2 * 2 * 8 * 127 = 32512
// so sums of 8 tiles fit 16 bits, vpmaddubsw does not saturate, and then they are widened.
// The 32-bit sum of fours is within K / 2 * 8 * 128 = 512 K, so 2^13 tiles (2^17 columns) fit; longer
// rows are cut there.
#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kFlushTiles = 8;
constexpr size_t kMaxTiles = size_t{1} << 13;
constexpr size_t kTileCols = 16;
constexpr size_t kPrefetchBytes = 4096;

inline __m256i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

// 16-bit pairs of one row added up to its 32-bit lane.
inline __m256i widen(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

template <size_t kBatch>
struct Columns {
  const int8_t* x[kBatch];
};

// Sum of codes times x over `tiles` <= kMaxTiles tiles for kHalves times 8 rows and kBatch vectors.
template <size_t kHalves, size_t kBatch>
inline void multiply(const uint8_t* weights, size_t tiles, Columns<kBatch> columns,
                     __m256i (&result)[kHalves][kBatch]) {
  const __m256i field0 = _mm256_set1_epi8(0x03);
  const __m256i field1 = _mm256_set1_epi8(0x0c);
  __m256i wide_ones[kHalves][kBatch];
  __m256i wide_fours[kHalves][kBatch];
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      wide_ones[h][b] = wide_fours[h][b] = _mm256_setzero_si256();
    }
  }
  for (size_t begin = 0; begin < tiles; begin += kFlushTiles) {
    const size_t end = tiles - begin < kFlushTiles ? tiles : begin + kFlushTiles;
    __m256i ones[kHalves][kBatch];
    __m256i fours[kHalves][kBatch];
    for (size_t h = 0; h < kHalves; ++h) {
      for (size_t b = 0; b < kBatch; ++b) {
        ones[h][b] = fours[h][b] = _mm256_setzero_si256();
      }
    }
    for (size_t t = begin; t < end; ++t) {
      const uint8_t* tile = weights + 64 * t;
      _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes), _MM_HINT_T0);
      for (size_t h = 0; h < kHalves; ++h) {
        const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + 32 * h));
        const __m256i high = _mm256_srli_epi16(low, 4);
        const __m256i codes0 = _mm256_and_si256(low, field0);
        const __m256i codes1 = _mm256_and_si256(low, field1);
        const __m256i codes2 = _mm256_and_si256(high, field0);
        const __m256i codes3 = _mm256_and_si256(high, field1);
        for (size_t b = 0; b < kBatch; ++b) {
          const int8_t* x = columns.x[b] + t * kTileCols;
          __m256i& one = ones[h][b];
          __m256i& four = fours[h][b];
          one = _mm256_add_epi16(one, _mm256_maddubs_epi16(codes0, broadcast4(x)));
          four = _mm256_add_epi16(four, _mm256_maddubs_epi16(codes1, broadcast4(x + 4)));
          one = _mm256_add_epi16(one, _mm256_maddubs_epi16(codes2, broadcast4(x + 8)));
          four = _mm256_add_epi16(four, _mm256_maddubs_epi16(codes3, broadcast4(x + 12)));
        }
      }
    }
    for (size_t h = 0; h < kHalves; ++h) {
      for (size_t b = 0; b < kBatch; ++b) {
        wide_ones[h][b] = _mm256_add_epi32(wide_ones[h][b], widen(ones[h][b]));
        wide_fours[h][b] = _mm256_add_epi32(wide_fours[h][b], widen(fours[h][b]));
      }
    }
  }
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {  // all terms of wide_fours are multiples of 4
      result[h][b] = _mm256_add_epi32(wide_ones[h][b], _mm256_srai_epi32(wide_fours[h][b], 2));
    }
  }
}

// kHalves halves of a row block, from half `half` on.
template <size_t kHalves, size_t kBatch>
inline void halves(const TernaryMatmulArgs& args, size_t block, size_t half, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride + 32 * half;
  __m256i sums[kHalves][kBatch];
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
      sums[h][b] = _mm256_set1_epi32(-args.x_sum[b0 + b]);
    }
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += kMaxTiles) {
    const size_t left = args.tile_end - tile;
    Columns<kBatch> columns;
    for (size_t b = 0; b < kBatch; ++b) {
      columns.x[b] = args.x + (b0 + b) * args.x_stride + tile * kTileCols;
    }
    __m256i part[kHalves][kBatch];
    multiply<kHalves, kBatch>(weights + 64 * tile, left < kMaxTiles ? left : kMaxTiles, columns,
                              part);
    for (size_t h = 0; h < kHalves; ++h) {
      for (size_t b = 0; b < kBatch; ++b) {
        sums[h][b] = _mm256_add_epi32(sums[h][b], part[h][b]);
      }
    }
  }
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      int32_t* out = args.out + (b0 + b) * args.out_stride + 16 * block + 8 * (half + h);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[h][b]);
    }
  }
}

// A single vector waits for memory: both halves of a tile at once, so that there is always more to
// fetch. Several vectors need the registers.
template <size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  if constexpr (kBatch == 1) {
    halves<2, 1>(args, block, 0, b0);
  } else {
    halves<1, kBatch>(args, block, 0, b0);
    halves<1, kBatch>(args, block, 1, b0);
  }
}

// The vectors that are left, at most kBatch, as one tile of exactly that many.
template <size_t kBatch>
inline void last_columns(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  if constexpr (kBatch > 0) {
    if (args.batch - b0 == kBatch) {
      row_block<kBatch>(args, block, b0);
    } else {
      last_columns<kBatch - 1>(args, block, b0);
    }
  }
}

}  // namespace

void ternary_matmul_i2_avx2(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 4;  // 8 accumulators, 4 fields
  for (size_t block = 0; block < args.row_blocks; ++block) {
    size_t b = 0;
    for (; b + kBatchTile <= args.batch; b += kBatchTile) {
      row_block<kBatchTile>(args, block, b);
    }
    last_columns<kBatchTile - 1>(args, block, b);
  }
}

}  // namespace rotor::kernels
