// SPDX-License-Identifier: Apache-2.0
// What products of bytes share on AArch64.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

// Four values of x for each of 4 rows.
inline int8x16_t broadcast4(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, sizeof(four));
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// Sums of a quarter of a tile, 4 rows: rows 0 and 1 in `low`, rows 2 and 3 in `high`, four 16-bit lanes
// each.
struct Sums16 {
  int16x8_t low = vdupq_n_s16(0);
  int16x8_t high = vdupq_n_s16(0);

  void add(uint8x16_t codes, int8x16_t x) {
    const int8x16_t w = vreinterpretq_s8_u8(codes);
    low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(x));
    high = vmlal_high_s8(high, w, x);
  }
};

// x (n), the sum within 32 bits.
inline int32_t sum_of(const int8_t* x, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i];
  }
  return sum;
}

}  // namespace
}  // namespace rotor::kernels
