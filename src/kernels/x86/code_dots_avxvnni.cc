// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AVX-VNNI: vpdpbusd multiplies the codes of a row with four values of
// x that all rows share; one 256-bit register holds 8 rows by 4 columns.
#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kPrefetchBytes = 2048;

inline __m256i broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

// One row block times kVectors vectors.
template <size_t kVectors>
inline void row_block(const CodeDotsArgs& args, const uint8_t* codes, const int8_t* x,
                      int32_t* out) {
  __m256i sums[kVectors][2];
  for (size_t v = 0; v < kVectors; ++v) {
    sums[v][0] = sums[v][1] = _mm256_setzero_si256();
  }
  for (size_t quad = 0; quad < args.cols; quad += 4) {
    const uint8_t* tile = codes + 16 * quad;
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetchBytes), _MM_HINT_T0);
    const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile));
    const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile + 32));
    for (size_t v = 0; v < kVectors; ++v) {
      const __m256i four = broadcast4(x + v * args.x_stride + quad);
      sums[v][0] = _mm256_dpbusd_avx_epi32(sums[v][0], low, four);
      sums[v][1] = _mm256_dpbusd_avx_epi32(sums[v][1], high, four);
    }
  }
  for (size_t v = 0; v < kVectors; ++v) {
    auto* row = reinterpret_cast<__m256i*>(out + v * args.out_stride);
    _mm256_storeu_si256(row, sums[v][0]);
    _mm256_storeu_si256(row + 1, sums[v][1]);
  }
}

}  // namespace

void code_dots_avxvnni(const CodeDotsArgs& args) {
  constexpr size_t kVectorTile = 4;  // 8 accumulators
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* codes = args.codes + block * 16 * args.cols;
    int32_t* out = args.out + 16 * block;
    size_t v = 0;
    for (; v + kVectorTile <= args.vectors; v += kVectorTile) {
      row_block<kVectorTile>(args, codes, args.x + v * args.x_stride, out + v * args.out_stride);
    }
    for (; v + 2 <= args.vectors; v += 2) {
      row_block<2>(args, codes, args.x + v * args.x_stride, out + v * args.out_stride);
    }
    if (v < args.vectors) {
      row_block<1>(args, codes, args.x + v * args.x_stride, out + v * args.out_stride);
    }
  }
}

}  // namespace rotor::kernels
