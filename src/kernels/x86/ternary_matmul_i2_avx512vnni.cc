// SPDX-License-Identifier: Apache-2.0
// i2 product for AVX-512 VNNI: one 512-bit register holds a tile, 16 rows by 16 columns, and
// vpdpbusd multiplies the four codes of a row with four activations that all rows share.
//
// Fields are not shifted down: field d is masked in place, so its codes are scaled by 4^d (at most
// 2 * 64 = 128, an unsigned byte), and has its own accumulator, which is shifted down once at the
// end; its terms are all multiples of 4^d. Field 3 sees a quarter of the K columns, so its accumulator
// stays within K / 4 * 128 * 128 = 2^12 K, which 2^13 tiles (K = 2^17) keep below 2^29; longer rows
// are cut there.
#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kMaxTiles = size_t{1} << 13;
constexpr size_t kTileCols = 16;
constexpr size_t kFields = 4;
// Far enough ahead to hide the latency of memory; twice as far was slower.
constexpr size_t kPrefetchBytes = 2048;

inline __m512i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// GCC 12 copies accumulators to other registers and back unless it is told that they change here.
inline void update_in_place(__m512i& sum) { __asm__("" : "+v"(sum)); }

inline __m512i field_mask(size_t d) { return _mm512_set1_epi8(static_cast<char>(3 << (2 * d))); }

// Accumulators by field, as (kBatch, kFields).
template <size_t kBatch>
struct Sums {
  __m512i field[kBatch][kFields];

  Sums() {
    for (size_t b = 0; b < kBatch; ++b) {
      for (size_t d = 0; d < kFields; ++d) {
        field[b][d] = _mm512_setzero_si512();
      }
    }
  }
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

// Codes times x over `tiles` <= kMaxTiles tiles. Four accumulators leave vpdpbusd waiting for itself
// when there is a single vector; memory is slower still.
template <size_t kBatch>
inline void multiply(const uint8_t* weights, size_t tiles, const int8_t* x, size_t x_stride,
                     __m512i (&result)[kBatch]) {
  Sums<kBatch> sums;
  for (size_t t = 0; t < tiles; ++t) {
    const uint8_t* tile = weights + 64 * t;
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes), _MM_HINT_T0);
    sums.add(tile, x + kTileCols * t, x_stride);
  }
  for (size_t b = 0; b < kBatch; ++b) {
    result[b] = _mm512_add_epi32(result[b], sums.total(b));
  }
}

template <size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m512i sums[kBatch];
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    sums[b] = _mm512_set1_epi32(-args.x_sum[b0 + b]);
  }
  for (size_t tile = args.tile_begin; tile < args.tile_end; tile += kMaxTiles) {
    const size_t left = args.tile_end - tile;
    multiply<kBatch>(weights + 64 * tile, left < kMaxTiles ? left : kMaxTiles,
                     x + kTileCols * tile, args.x_stride, sums);
  }
  for (size_t b = 0; b < kBatch; ++b) {
    _mm512_storeu_si512(args.out + (b0 + b) * args.out_stride + 16 * block, sums[b]);
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

void ternary_matmul_i2_avx512vnni(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 6;  // 24 accumulators, 4 fields
  for (size_t block = 0; block < args.row_blocks; ++block) {
    size_t b = 0;
    for (; b + kBatchTile <= args.batch; b += kBatchTile) {
      row_block<kBatchTile>(args, block, b);
    }
    last_columns<kBatchTile - 1>(args, block, b);
  }
}

}  // namespace rotor::kernels
