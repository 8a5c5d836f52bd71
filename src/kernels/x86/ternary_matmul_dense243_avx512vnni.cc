// SPDX-License-Identifier: Apache-2.0
// dense243 product for AVX-512 VNNI: five base-3 digits a byte, 16 rows by 20 columns in a register.
//
// A byte v is a sum of code[d] * 3^d. With v mod 3^d by subtraction and minimum (an unsigned
// difference that wraps is larger), v mod 3^(d+1) - v mod 3^d = code[d] * 3^d is itself an unsigned
// byte (at most 162), so vpdpbusd takes it as it is and each digit has its own accumulator, 3^d times
// too large. The accumulator may wrap: multiplying by the inverse of 3^d modulo 2^32 divides exactly
// there, and the end result, within 128 K, fits 32 bits by the contract of TernaryMatmulArgs.
#include <immintrin.h>

#include "kernels/kernel_types.h"
#include "kernels/x86/residue.h"

namespace rotor::kernels {
namespace {

constexpr size_t kTileCols = 20;
constexpr size_t kDigits = 5;
constexpr size_t kPrefetchBytes = 2048;
constexpr uint32_t kInverse3 = 0xaaaaaaabu;
static_assert(kInverse3 * 3u == 1u);

inline __m512i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// GCC 12 copies accumulators to other registers and back unless it is told that they change here.
inline void update_in_place(__m512i& sum) { __asm__("" : "+v"(sum)); }

inline __m512i third(__m512i v) {
  return _mm512_mullo_epi32(v, _mm512_set1_epi32(static_cast<int32_t>(kInverse3)));
}

// Accumulators by digit, as (kBatch, kDigits).
template <size_t kBatch>
struct Sums {
  __m512i digit[kBatch][kDigits];

  Sums() {
    for (size_t b = 0; b < kBatch; ++b) {
      for (size_t d = 0; d < kDigits; ++d) {
        digit[b][d] = _mm512_setzero_si512();
      }
    }
  }
  void add(const uint8_t* tile, const int8_t* x, size_t x_stride) {
    const __m512i v = _mm512_load_si512(tile);
    const __m512i v81 = residue(v, 81);
    const __m512i v27 = residue(v81, 27);
    const __m512i v9 = residue(v27, 9);
    const __m512i v3 = residue(v9, 3);
    const __m512i scaled_codes[kDigits] = {v3, _mm512_sub_epi8(v9, v3), _mm512_sub_epi8(v27, v9),
                                           _mm512_sub_epi8(v81, v27), _mm512_sub_epi8(v, v81)};
    for (size_t d = 0; d < kDigits; ++d) {
      for (size_t b = 0; b < kBatch; ++b) {
        digit[b][d] = _mm512_dpbusd_epi32(digit[b][d], scaled_codes[d],
                                          broadcast4(x + b * x_stride + 4 * d));
        update_in_place(digit[b][d]);
      }
    }
  }
  // Horner's scheme in the inverse of 3.
  __m512i total(size_t b) const {
    const __m512i sum3 = _mm512_add_epi32(third(digit[b][4]), digit[b][3]);
    const __m512i sum2 = _mm512_add_epi32(third(sum3), digit[b][2]);
    const __m512i sum1 = _mm512_add_epi32(third(sum2), digit[b][1]);
    return _mm512_add_epi32(third(sum1), digit[b][0]);
  }
};

// Codes times x over `tiles` tiles.
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
    result[b] = sums.total(b);
  }
}

template <size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const int8_t* x = args.x + b0 * args.x_stride;
  __m512i sums[kBatch];
  multiply<kBatch>(weights + 64 * args.tile_begin, args.tile_end - args.tile_begin,
                   x + kTileCols * args.tile_begin, args.x_stride, sums);
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    const __m512i rows = _mm512_sub_epi32(sums[b], _mm512_set1_epi32(args.x_sum[b0 + b]));
    _mm512_storeu_si512(args.out + (b0 + b) * args.out_stride + 16 * block, rows);
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

void ternary_matmul_dense243_avx512vnni(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 4;  // 20 accumulators
  for (size_t block = 0; block < args.row_blocks; ++block) {
    size_t b = 0;
    for (; b + kBatchTile <= args.batch; b += kBatchTile) {
      row_block<kBatchTile>(args, block, b);
    }
    last_columns<kBatchTile - 1>(args, block, b);
  }
}

}  // namespace rotor::kernels
