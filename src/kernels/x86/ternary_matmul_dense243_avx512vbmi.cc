// SPDX-License-Identifier: Apache-2.0
// dense243 product for AVX-512 VNNI and VBMI: five base-3 digits a byte, 16 rows by 20 columns in a
// register.
//
// A byte v is a sum of code[d] * 3^d. v - v mod 81 = code[4] * 81 is itself an unsigned byte (at most
// 162), so vpdpbusd takes it as it is. v mod 81 is looked up in a table of 81 bytes (vpermi2b), which
// hold the other four codes as fields of two bits; they are masked in place, so field d is 4^d times
// too large (at most 2 * 64 = 128). Each digit has its own accumulator, brought to scale at the end:
// its terms are all multiples of the scale. Digit d sees a fifth of the K columns, so accumulators stay
// within K / 5 * 162 * 128 < 2^13 K, which 2^13 tiles (K = 163,840) keep below 2^31; longer rows are
// cut there.
#include <immintrin.h>

#include "kernels/kernel_types.h"
#include "kernels/x86/residue.h"

namespace rotor::kernels {
namespace {

constexpr size_t kTileCols = 20;
constexpr size_t kDigits = 5;
constexpr size_t kPrefetchBytes = 2048;
constexpr size_t kMaxTiles = size_t{1} << 13;
constexpr uint32_t kInverse81 = 0x781948b1u;
static_assert(kInverse81 * 81u == 1u);

inline __m512i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// GCC 12 copies accumulators to other registers and back unless it is told that they change here.
inline void update_in_place(__m512i& sum) { __asm__("" : "+v"(sum)); }

inline __m512i field_mask(size_t d) { return _mm512_set1_epi8(static_cast<char>(3 << (2 * d))); }

// fields[v] for v < 81: digits 0 to 3 of v, two bits each.
struct alignas(64) FieldTable {
  uint8_t fields[128] = {};

  constexpr FieldTable() {
    for (unsigned v = 0; v < 81; ++v) {
      fields[v] = static_cast<uint8_t>(v % 3 | v / 3 % 3 << 2 | v / 9 % 3 << 4 | v / 27 << 6);
    }
  }
};
constexpr FieldTable kFieldTable;

struct Tables {
  __m512i low = _mm512_load_si512(kFieldTable.fields);
  __m512i high = _mm512_load_si512(kFieldTable.fields + 64);

  __m512i fields(__m512i v81) const { return _mm512_permutex2var_epi8(low, v81, high); }
};

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
  void add(const Tables& tables, const uint8_t* tile, const int8_t* x, size_t x_stride) {
    const __m512i v = _mm512_load_si512(tile);
    const __m512i v81 = residue(v, 81);
    const __m512i fields = tables.fields(v81);
    for (size_t d = 0; d < kDigits; ++d) {
      const __m512i codes =
          d < 4 ? _mm512_and_si512(fields, field_mask(d)) : _mm512_sub_epi8(v, v81);
      for (size_t b = 0; b < kBatch; ++b) {
        digit[b][d] =
            _mm512_dpbusd_epi32(digit[b][d], codes, broadcast4(x + b * x_stride + 4 * d));
        update_in_place(digit[b][d]);
      }
    }
  }
  __m512i total(size_t b) const {
    const __m512i last = _mm512_mullo_epi32(
        digit[b][4], _mm512_set1_epi32(static_cast<int32_t>(kInverse81)));
    const __m512i low = _mm512_add_epi32(digit[b][0], _mm512_srai_epi32(digit[b][1], 2));
    const __m512i high =
        _mm512_add_epi32(_mm512_srai_epi32(digit[b][2], 4), _mm512_srai_epi32(digit[b][3], 6));
    return _mm512_add_epi32(last, _mm512_add_epi32(low, high));
  }
};

// result += codes times x over `tiles` <= kMaxTiles tiles.
template <size_t kBatch>
inline void multiply(const uint8_t* weights, size_t tiles, const int8_t* x, size_t x_stride,
                     __m512i (&result)[kBatch]) {
  const Tables tables;
  Sums<kBatch> sums;
  for (size_t t = 0; t < tiles; ++t) {
    const uint8_t* tile = weights + 64 * t;
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes), _MM_HINT_T0);
    sums.add(tables, tile, x + kTileCols * t, x_stride);
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

void ternary_matmul_dense243_avx512vbmi(const TernaryMatmulArgs& args) {
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
