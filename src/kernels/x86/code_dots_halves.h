// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head below AVX-512: a tile in two 256-bit registers of 8 rows by 4 columns.
#pragma once

#include "kernels/x86/bytes_avx2.h"
#include "kernels/x86/code_dots_blocks.h"

namespace rotor::kernels {
namespace {

// A Level (code_dots_blocks.h) but for its add().
struct Halves {
  using Vector = __m256i;
  static constexpr size_t kVectorTile = 4;  // 8 sums
  static constexpr size_t kStepTiles = 1;
  static constexpr size_t kHalfColumns = 0;

  static __m256i load(const uint8_t* tile, size_t i) { return load_half(tile, i); }
  static void store(const __m256i (&sums)[kHalves], int32_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), sums[1]);
  }
};

}  // namespace
}  // namespace rotor::kernels
