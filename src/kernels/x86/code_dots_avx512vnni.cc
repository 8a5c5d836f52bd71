// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AVX-512 VNNI: one register holds a tile, 16 rows by 4 columns, and
// vpdpbusd multiplies the codes of a row with four values of x that all rows share.
#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kPrefetchBytes = 2048;

inline __m512i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// One row block times kVectors vectors. Even and odd tiles have their own sums: with few vectors
// vpdpbusd would wait for itself.
template <size_t kVectors>
inline void row_block(const CodeDotsArgs& args, const uint8_t* codes, const int8_t* x,
                      int32_t* out) {
  __m512i even[kVectors];
  __m512i odd[kVectors];
  for (size_t v = 0; v < kVectors; ++v) {
    even[v] = odd[v] = _mm512_setzero_si512();
  }
  for (size_t quad = 0; quad < args.cols; quad += 8) {
    const uint8_t* tile = codes + 16 * quad;
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(tile + 64 + kPrefetchBytes), _MM_HINT_T0);
    const __m512i first = _mm512_load_si512(tile);
    const __m512i second = _mm512_load_si512(tile + 64);
    for (size_t v = 0; v < kVectors; ++v) {
      const int8_t* values = x + v * args.x_stride + quad;
      even[v] = _mm512_dpbusd_epi32(even[v], first, broadcast4(values));
      odd[v] = _mm512_dpbusd_epi32(odd[v], second, broadcast4(values + 4));
    }
  }
  for (size_t v = 0; v < kVectors; ++v) {
    _mm512_storeu_si512(out + v * args.out_stride, _mm512_add_epi32(even[v], odd[v]));
  }
}

// The vectors that are left, at most kVectors, as one tile of exactly that many.
template <size_t kVectors>
inline void last_vectors(const CodeDotsArgs& args, const uint8_t* codes, size_t v, int32_t* out) {
  if constexpr (kVectors > 0) {
    if (args.vectors - v == kVectors) {
      row_block<kVectors>(args, codes, args.x + v * args.x_stride, out + v * args.out_stride);
    } else {
      last_vectors<kVectors - 1>(args, codes, v, out);
    }
  }
}

}  // namespace

void code_dots_avx512vnni(const CodeDotsArgs& args) {
  constexpr size_t kVectorTile = 8;  // 16 accumulators
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* codes = args.codes + block * 16 * args.cols;
    int32_t* out = args.out + 16 * block;
    size_t v = 0;
    for (; v + kVectorTile <= args.vectors; v += kVectorTile) {
      row_block<kVectorTile>(args, codes, args.x + v * args.x_stride, out + v * args.out_stride);
    }
    last_vectors<kVectorTile - 1>(args, codes, v, out);
  }
}

}  // namespace rotor::kernels
