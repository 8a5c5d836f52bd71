// SPDX-License-Identifier: Apache-2.0
// The 16-lane vector type in four 128-bit registers (vec_ops/lanes.h says what it offers).
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "kernels/vec_ops/lanes.h"

namespace rotor::kernels {
namespace {

// Register tiles: rows x vectors of a dot product, queries x lanes-of-16 of a value sum.
constexpr size_t kDotRows = 4;
constexpr size_t kDotBatch = 1;
constexpr size_t kValueQueries = 2;
constexpr size_t kValueVecs = 2;

struct Vec {
  float32x4_t part[4];
};
struct Ints {
  int32x4_t part[4];
};

// Applies an operation to the four parts.
template <typename Result, typename Operation>
inline Result each_part(Operation operation) {
  return {{operation(0), operation(1), operation(2), operation(3)}};
}

// The first n elements of an array of 16, the others zero.
template <typename T>
struct Staged {
  T element[kLanes] = {};
  Staged() = default;
  Staged(const T* p, First n) {
    for (size_t i = 0; i < n.n; ++i) {
      element[i] = p[i];
    }
  }
  void copy_to(T* p, First n) const {
    for (size_t i = 0; i < n.n; ++i) {
      p[i] = element[i];
    }
  }
};

inline Vec broadcast(float x) {
  return each_part<Vec>([=](int) { return vdupq_n_f32(x); });
}
inline Vec zero() { return broadcast(0.0f); }
inline Vec load(const float* p, Whole) {
  return each_part<Vec>([=](int i) { return vld1q_f32(p + 4 * i); });
}
inline Vec load(const float* p, First n) { return load(Staged<float>(p, n).element, Whole{}); }
inline void store(float* p, Whole, Vec v) {
  for (int i = 0; i < 4; ++i) {
    vst1q_f32(p + 4 * i, v.part[i]);
  }
}
inline void store(float* p, First n, Vec v) {
  Staged<float> staged;
  store(staged.element, Whole{}, v);
  staged.copy_to(p, n);
}
inline Vec only(Vec v, Whole) { return v; }
inline Vec only(Vec v, First n) {
  float lanes[kLanes];
  store(lanes, Whole{}, v);
  return load(lanes, n);
}

inline Vec load_f16(const uint16_t* p, Whole) {
  return each_part<Vec>(
      [=](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
inline Vec load_f16(const uint16_t* p, First n) {
  return load_f16(Staged<uint16_t>(p, n).element, Whole{});
}
inline uint16x4_t to_f16(float32x4_t v) { return vreinterpret_u16_f16(vcvt_f16_f32(v)); }
inline void store_f16(uint16_t* p, Whole, Vec v) {
  for (int i = 0; i < 4; ++i) {
    vst1_u16(p + 4 * i, to_f16(v.part[i]));
  }
}
inline void store_f16(uint16_t* p, First n, Vec v) {
  Staged<uint16_t> staged;
  store_f16(staged.element, Whole{}, v);
  staged.copy_to(p, n);
}
inline Vec round_f16(Vec v) {
  return each_part<Vec>([=](int i) { return vcvt_f32_f16(vcvt_f16_f32(v.part[i])); });
}

// Of i2, what the codes 0, 1, 2 stand for is multiplied with the scale where it is read.
inline Vec trit_table(Vec scale) { return scale; }
// Byte j, bits 2d .. 2d + 1 hold the code of column 4 d + j.
inline Vec load_trits(const uint8_t* codes, Vec table) {
  uint32_t word = 0;
  __builtin_memcpy(&word, codes, sizeof(word));
  return each_part<Vec>([=](int d) {
    const int32x4_t down = {-2 * d, -2 * d - 8, -2 * d - 16, -2 * d - 24};
    const uint32x4_t code = vandq_u32(vshlq_u32(vdupq_n_u32(word), down), vdupq_n_u32(3));
    const int32x4_t trit = vsubq_s32(vreinterpretq_s32_u32(code), vdupq_n_s32(1));
    return vmulq_f32(vcvtq_f32_s32(trit), table.part[d]);
  });
}

inline Vec load_bf16(const uint16_t* p, Whole) {
  return each_part<Vec>(
      [=](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
}
inline Vec load_bf16(const uint16_t* p, First n) {
  return load_bf16(Staged<uint16_t>(p, n).element, Whole{});
}

inline Vec load_int32(const int32_t* p, Whole) {
  return each_part<Vec>([=](int i) { return vcvtq_f32_s32(vld1q_s32(p + 4 * i)); });
}
inline Vec load_int32(const int32_t* p, First n) {
  return load_int32(Staged<int32_t>(p, n).element, Whole{});
}

inline Vec load_int8(const int8_t* p, Whole) {
  const int8x16_t bytes = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes));
  const int16x8_t high = vmovl_s8(vget_high_s8(bytes));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
inline Vec load_int8(const int8_t* p, First n) {
  return load_int8(Staged<int8_t>(p, n).element, Whole{});
}

inline Vec keep_16_bits(Vec v) {
  return each_part<Vec>([=](int i) {
    const int32x4_t rounded = vaddq_s32(vreinterpretq_s32_f32(v.part[i]), vdupq_n_s32(0x80));
    return vreinterpretq_f32_s32(vandq_s32(rounded, vdupq_n_s32(-0x100)));
  });
}

inline Vec add(Vec a, Vec b) {
  return each_part<Vec>([=](int i) { return vaddq_f32(a.part[i], b.part[i]); });
}
inline Vec sub(Vec a, Vec b) {
  return each_part<Vec>([=](int i) { return vsubq_f32(a.part[i], b.part[i]); });
}
inline Vec mul(Vec a, Vec b) {
  return each_part<Vec>([=](int i) { return vmulq_f32(a.part[i], b.part[i]); });
}
inline Vec div(Vec a, Vec b) {
  return each_part<Vec>([=](int i) { return vdivq_f32(a.part[i], b.part[i]); });
}
inline Vec mul_add_exact(Vec a, Vec b, Vec c) {
  return each_part<Vec>([=](int i) { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
}

// Zeroes the lanes of `value` whose mask bits are set.
inline float32x4_t clear(float32x4_t value, uint32x4_t lanes) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(value), lanes));
}
// x < limit ? +0 : value.
inline Vec zero_where_less(Vec value, Vec x, Vec limit) {
  return each_part<Vec>(
      [=](int i) { return clear(value.part[i], vcltq_f32(x.part[i], limit.part[i])); });
}
// x < 0 ? +0 : x.
inline Vec relu(Vec x) {
  return each_part<Vec>([=](int i) { return clear(x.part[i], vcltzq_f32(x.part[i])); });
}
inline Vec shift_left_23(Vec v) {
  return each_part<Vec>([=](int i) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(v.part[i]), 23));
  });
}

inline Ints zero_ints() {
  return each_part<Ints>([](int) { return vdupq_n_s32(0); });
}
inline Ints add(Ints a, Ints b) {
  return each_part<Ints>([=](int i) { return vaddq_s32(a.part[i], b.part[i]); });
}
inline int32_t sum(Ints v) {
  return vaddvq_s32(
      vaddq_s32(vaddq_s32(v.part[0], v.part[1]), vaddq_s32(v.part[2], v.part[3])));
}
// Without their sign bits, patterns are non-negative, so signed comparison serves.
inline Ints max_magnitude(Ints a, Vec v) {
  return each_part<Ints>([=](int i) {
    const int32x4_t bits = vreinterpretq_s32_f32(v.part[i]);
    return vmaxq_s32(a.part[i], vandq_s32(bits, vdupq_n_s32(0x7fffffff)));
  });
}
inline uint32_t largest(Ints v) {
  return static_cast<uint32_t>(vmaxvq_s32(
      vmaxq_s32(vmaxq_s32(v.part[0], v.part[1]), vmaxq_s32(v.part[2], v.part[3]))));
}
inline Vec greater(Vec a, Vec b) {
  return each_part<Vec>([=](int i) { return vmaxq_f32(a.part[i], b.part[i]); });
}
inline float largest(Vec v) {
  return vmaxvq_f32(
      vmaxq_f32(vmaxq_f32(v.part[0], v.part[1]), vmaxq_f32(v.part[2], v.part[3])));
}

inline Ints round_to_int8(Vec v) {
  return each_part<Ints>([=](int i) {
    const int32x4_t rounded = vcvtnq_s32_f32(v.part[i]);
    return vminq_s32(vmaxq_s32(rounded, vdupq_n_s32(-128)), vdupq_n_s32(127));
  });
}
inline void store_int8(int8_t* p, Whole, Ints v) {
  const int16x8_t low = vcombine_s16(vmovn_s32(v.part[0]), vmovn_s32(v.part[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(v.part[2]), vmovn_s32(v.part[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}
inline void store_int8(int8_t* p, First n, Ints v) {
  Staged<int8_t> staged;
  store_int8(staged.element, Whole{}, v);
  staged.copy_to(p, n);
}

inline float fold(Vec v) {
  const float32x4_t four = vaddq_f32(vaddq_f32(v.part[0], v.part[2]),
                                     vaddq_f32(v.part[1], v.part[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline void fold4(const Vec* v, float* out) {
  for (int i = 0; i < 4; ++i) {
    out[i] = fold(v[i]);
  }
}

inline void fold4x4(const Vec* v, float* out, size_t stride) {
  for (size_t i = 0; i < 4; ++i) {
    fold4(v + 4 * i, out + i * stride);
  }
}

inline float sqrt_scalar(float x) { return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0); }

inline void prefetch(const void* p) { __builtin_prefetch(p); }
inline void prefetch_far(const void* p) { __builtin_prefetch(p, 0, 2); }

}  // namespace
}  // namespace rotor::kernels
