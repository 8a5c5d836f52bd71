// SPDX-License-Identifier: Apache-2.0
// Tiles of i2 for AArch64 with SDOT: a quarter of a tile, 4 rows, in one register; SDOT multiplies the
// four codes of a row with four activations that all rows share and adds them to its 32-bit lane.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

constexpr size_t kTileCols = 16;

// sums += codes times x over tiles [begin, end) of one row block, for kBatch vectors.
template <size_t kBatch>
inline void add_tiles(const uint8_t* weights, size_t begin, size_t end, const int8_t* x,
                      size_t x_stride, int32x4_t (&sums)[kBatch][4]) {
  const uint8x16_t field = vdupq_n_u8(3);
  for (size_t t = begin; t < end; ++t) {
    int8x16_t columns[kBatch];
    for (size_t b = 0; b < kBatch; ++b) {
      columns[b] = vld1q_s8(x + b * x_stride + kTileCols * t);
    }
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const uint8x16_t w = vld1q_u8(weights + 64 * t + 16 * quarter);
      const int8x16_t codes0 = vreinterpretq_s8_u8(vandq_u8(w, field));
      const int8x16_t codes1 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 2), field));
      const int8x16_t codes2 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 4), field));
      const int8x16_t codes3 = vreinterpretq_s8_u8(vshrq_n_u8(w, 6));
      for (size_t b = 0; b < kBatch; ++b) {
        int32x4_t& sum = sums[b][quarter];
        sum = vdotq_laneq_s32(sum, codes0, columns[b], 0);
        sum = vdotq_laneq_s32(sum, codes1, columns[b], 1);
        sum = vdotq_laneq_s32(sum, codes2, columns[b], 2);
        sum = vdotq_laneq_s32(sum, codes3, columns[b], 3);
      }
    }
  }
}

}  // namespace
}  // namespace rotor::kernels
