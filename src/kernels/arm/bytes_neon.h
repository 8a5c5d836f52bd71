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

// Codes of the coarse head (CodeDotsArgs): rows 4 quarter .. 4 quarter + 3 of a group, four columns each.
inline void unpack_group(const uint8_t* group, size_t quarter, uint8x16_t (&codes)[4]) {
  const uint8x16_t low6 = vdupq_n_u8(0x3f);
  const uint8x16_t a = vld1q_u8(group + 16 * quarter);
  const uint8x16_t b = vld1q_u8(group + 64 + 16 * quarter);
  const uint8x16_t c = vld1q_u8(group + 128 + 16 * quarter);
  codes[0] = vandq_u8(a, low6);
  codes[1] = vandq_u8(b, low6);
  codes[2] = vandq_u8(c, low6);
  const uint8x16_t bits = vsliq_n_u8(vshrq_n_u8(a, 6), vshrq_n_u8(b, 6), 2);
  codes[3] = vsliq_n_u8(bits, vshrq_n_u8(c, 6), 4);
}

// Two bits of every byte, from bit 2 f on.
inline int8x16_t field_of(uint8x16_t bytes, size_t f) {
  const int8x16_t count = vdupq_n_s8(static_cast<int8_t>(-2 * static_cast<int>(f)));
  return vreinterpretq_s8_u8(vandq_u8(vshlq_u8(bytes, count), vdupq_n_u8(3)));
}

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
