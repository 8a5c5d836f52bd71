// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head below AVX-512: a tile in two 256-bit registers of 8 rows by 4 columns.
#pragma once

#include "kernels/x86/bytes_avx2.h"
#include "kernels/x86/code_dots_blocks.h"

namespace rotor::kernels {
namespace {

// Multiply::add(sum, codes, x): the products of four neighbouring bytes added to their 32-bit lane.
template <typename Multiply>
struct Halves {
  static constexpr size_t kVectorTile = 4;  // 8 accumulators
  static constexpr size_t kStepTiles = 1;

  template <size_t kVectors>
  struct Sums {
    __m256i half[kVectors][2] = {};

    void add(const uint8_t* tile, const int8_t* x, size_t x_stride) {
      constexpr size_t kPrefetchBytes = 2048;
      prefetch(tile + kPrefetchBytes);
      const __m256i codes[2] = {load_half(tile, 0), load_half(tile, 1)};
      for (size_t v = 0; v < kVectors; ++v) {
        const __m256i four = broadcast4(x + v * x_stride);
        half[v][0] = Multiply::add(half[v][0], codes[0], four);
        half[v][1] = Multiply::add(half[v][1], codes[1], four);
      }
    }
    void store(size_t v, int32_t* out) const {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), half[v][0]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), half[v][1]);
    }
  };
};

}  // namespace
}  // namespace rotor::kernels
