// SPDX-License-Identifier: Apache-2.0
// Tiles of i2 for baseline AArch64: bytes times bytes added up in 16-bit lanes, widened before they
// can overflow. One 128-bit register holds a quarter of a tile, 4 rows.
//
// A product of a code 0..2 and an activation is within 2 * 128 = 256. A 16-bit lane takes one product
// per field, four a tile; 32 tiles add up to 32 * 4 * 256 = 32768, and -32768 fits (the positive end
// is 32 * 4 * 2 * 127 = 32512).
#pragma once

#include "kernels/arm/bytes_neon.h"

namespace rotor::kernels {
namespace {

constexpr size_t kFlushTiles = 32;
constexpr size_t kTileCols = 16;

// sums += codes times x over tiles [begin, end), at most kFlushTiles, of the quarter at `weights`.
template <size_t kBatch>
inline void add_quarter(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                        size_t x_stride, Sums16 (&sums)[kBatch]) {
  const uint8x16_t field = vdupq_n_u8(3);
  for (size_t t = begin; t < end; ++t) {
    const uint8x16_t w = vld1q_u8(weights + 64 * t);
    const uint8x16_t codes[4] = {vandq_u8(w, field), vandq_u8(vshrq_n_u8(w, 2), field),
                                 vandq_u8(vshrq_n_u8(w, 4), field), vshrq_n_u8(w, 6)};
    for (size_t b = 0; b < kBatch; ++b) {
      for (size_t d = 0; d < 4; ++d) {
        sums[b].add(codes[d], broadcast4(x + b * x_stride + kTileCols * t + 4 * d));
      }
    }
  }
}

}  // namespace
}  // namespace rotor::kernels
