// SPDX-License-Identifier: Apache-2.0
// The 16-lane vector type in two 256-bit registers (vec_ops/lanes.h says what it offers).
#pragma once

#include <immintrin.h>

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
  __m256 lo;
  __m256 hi;
};
struct Ints {
  __m256i lo;
  __m256i hi;
};

// The first n elements of an array of 16, the others zero; by a copy, for there is no masked move of
// bytes below AVX-512.
template <typename T>
struct Staged {
  alignas(32) T element[kLanes] = {};
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

inline __m256i load_bytes(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
inline __m128i load_half_bytes(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

inline Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Vec broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Vec load(const float* p, Whole) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline Vec load(const float* p, First n) { return load(Staged<float>(p, n).element, Whole{}); }
inline void store(float* p, Whole, Vec v) {
  _mm256_storeu_ps(p, v.lo);
  _mm256_storeu_ps(p + 8, v.hi);
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
  return {_mm256_cvtph_ps(load_half_bytes(p)), _mm256_cvtph_ps(load_half_bytes(p + 8))};
}
inline Vec load_f16(const uint16_t* p, First n) {
  return load_f16(Staged<uint16_t>(p, n).element, Whole{});
}
inline __m128i to_f16(__m256 v) {
  return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store_f16(uint16_t* p, Whole, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_f16(v.lo));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), to_f16(v.hi));
}
inline void store_f16(uint16_t* p, First n, Vec v) {
  Staged<uint16_t> staged;
  store_f16(staged.element, Whole{}, v);
  staged.copy_to(p, n);
}
inline Vec round_f16(Vec v) {
  return {_mm256_cvtph_ps(to_f16(v.lo)), _mm256_cvtph_ps(to_f16(v.hi))};
}

// What the codes 0, 1, 2 stand for, times the scale, in each half. The table repeats, so that a
// permutation may take the bit above a code for part of it.
inline Vec trit_table(Vec scale) {
  const __m256 trits = _mm256_setr_ps(-1, 0, 1, 0, -1, 0, 1, 0);
  return {_mm256_mul_ps(scale.lo, trits), _mm256_mul_ps(scale.hi, trits)};
}
// Byte j, bits 2d .. 2d + 1 hold the code of column 4 d + j.
inline Vec load_trits(const uint8_t* codes, Vec table) {
  int word = 0;
  __builtin_memcpy(&word, codes, sizeof(word));
  const __m256i words = _mm256_set1_epi32(word);
  const __m256i low = _mm256_srlv_epi32(words, _mm256_setr_epi32(0, 8, 16, 24, 2, 10, 18, 26));
  const __m256i high = _mm256_srlv_epi32(words, _mm256_setr_epi32(4, 12, 20, 28, 6, 14, 22, 30));
  return {_mm256_permutevar8x32_ps(table.lo, low), _mm256_permutevar8x32_ps(table.lo, high)};
}

inline __m256 from_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline Vec load_bf16(const uint16_t* p, Whole) {
  return {from_bf16(load_half_bytes(p)), from_bf16(load_half_bytes(p + 8))};
}
inline Vec load_bf16(const uint16_t* p, First n) {
  return load_bf16(Staged<uint16_t>(p, n).element, Whole{});
}

inline Vec load_int32(const int32_t* p, Whole) {
  return {_mm256_cvtepi32_ps(load_bytes(p)), _mm256_cvtepi32_ps(load_bytes(p + 8))};
}
inline Vec load_int32(const int32_t* p, First n) {
  return load_int32(Staged<int32_t>(p, n).element, Whole{});
}

inline __m256 from_int8(const int8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}
inline Vec load_int8(const int8_t* p, Whole) { return {from_int8(p), from_int8(p + 8)}; }
inline Vec load_int8(const int8_t* p, First n) {
  return load_int8(Staged<int8_t>(p, n).element, Whole{});
}

inline __m256 keep_16_bits(__m256 v) {
  const __m256i rounded = _mm256_add_epi32(_mm256_castps_si256(v), _mm256_set1_epi32(0x80));
  return _mm256_castsi256_ps(_mm256_and_si256(rounded, _mm256_set1_epi32(-0x100)));
}
inline Vec keep_16_bits(Vec v) { return {keep_16_bits(v.lo), keep_16_bits(v.hi)}; }

inline Vec add(Vec a, Vec b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Vec sub(Vec a, Vec b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Vec mul(Vec a, Vec b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Vec div(Vec a, Vec b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Vec mul_add_exact(Vec a, Vec b, Vec c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}

// x < limit ? +0 : value.
inline Vec zero_where_less(Vec value, Vec x, Vec limit) {
  return {_mm256_and_ps(value.lo, _mm256_cmp_ps(x.lo, limit.lo, _CMP_NLT_UQ)),
          _mm256_and_ps(value.hi, _mm256_cmp_ps(x.hi, limit.hi, _CMP_NLT_UQ))};
}
// x < 0 ? +0 : x; the instruction returns its second operand for NaN.
inline Vec relu(Vec x) {
  return {_mm256_max_ps(_mm256_setzero_ps(), x.lo), _mm256_max_ps(_mm256_setzero_ps(), x.hi)};
}
inline __m256 shift_left_23(__m256 v) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(v), 23));
}
inline Vec shift_left_23(Vec v) { return {shift_left_23(v.lo), shift_left_23(v.hi)}; }

inline Ints zero_ints() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline Ints add(Ints a, Ints b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
inline int32_t sum(Ints v) {
  const __m256i eight = _mm256_add_epi32(v.lo, v.hi);
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
inline __m256i magnitude(__m256 v) {
  return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
}
inline Ints max_magnitude(Ints a, Vec v) {
  return {_mm256_max_epu32(a.lo, magnitude(v.lo)), _mm256_max_epu32(a.hi, magnitude(v.hi))};
}
inline uint32_t largest(Ints v) {
  const __m256i eight = _mm256_max_epu32(v.lo, v.hi);
  const __m128i four =
      _mm_max_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
  return static_cast<uint32_t>(
      _mm_cvtsi128_si32(_mm_max_epu32(two, _mm_shuffle_epi32(two, 0xb1))));
}
inline Vec greater(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline float largest(Vec v) {
  const __m256 eight = _mm256_max_ps(v.lo, v.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline __m256i round_to_int8(__m256 v) {
  const __m256i rounded = _mm256_cvtps_epi32(v);
  return _mm256_min_epi32(_mm256_max_epi32(rounded, _mm256_set1_epi32(-128)),
                          _mm256_set1_epi32(127));
}
inline Ints round_to_int8(Vec v) { return {round_to_int8(v.lo), round_to_int8(v.hi)}; }
inline void store_int8(int8_t* p, Whole, Ints v) {
  // Packing works in halves of 128 bits: lo0 hi0 | lo1 hi1, put in order by the permutation.
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(v.lo, v.hi), 0xd8);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
inline void store_int8(int8_t* p, First n, Ints v) {
  Staged<int8_t> staged;
  store_int8(staged.element, Whole{}, v);
  staged.copy_to(p, n);
}

inline float fold(Vec v) {
  const __m256 eight = _mm256_add_ps(v.lo, v.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// [a + a's other half | b + b's other half]: two steps of fold() for two vectors.
inline __m256 fold_pair(Vec a, Vec b) {
  const __m256 a8 = _mm256_add_ps(a.lo, a.hi);
  const __m256 b8 = _mm256_add_ps(b.lo, b.hi);
  return _mm256_add_ps(_mm256_permute2f128_ps(a8, b8, 0x20),
                       _mm256_permute2f128_ps(a8, b8, 0x31));
}

// fold() of four vectors at once.
inline void fold4(const Vec* v, float* out) {
  const __m256 ac = fold_pair(v[0], v[2]);
  const __m256 bd = fold_pair(v[1], v[3]);
  const __m256 two =
      _mm256_add_ps(_mm256_shuffle_ps(ac, bd, 0x44), _mm256_shuffle_ps(ac, bd, 0xee));
  const __m256 one = _mm256_add_ps(two, _mm256_movehdup_ps(two));  // [a . b . | c . d .]
  const __m256 packed = _mm256_permute_ps(one, 0x08);
  _mm_storel_pi(reinterpret_cast<__m64*>(out), _mm256_castps256_ps128(packed));
  _mm_storel_pi(reinterpret_cast<__m64*>(out + 2), _mm256_extractf128_ps(packed, 1));
}

inline void fold4x4(const Vec* v, float* out, size_t stride) {
  for (size_t i = 0; i < 4; ++i) {
    fold4(v + 4 * i, out + i * stride);
  }
}

inline float sqrt_scalar(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

inline void prefetch_far(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T1);
}

}  // namespace
}  // namespace rotor::kernels
