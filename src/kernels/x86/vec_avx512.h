// SPDX-License-Identifier: Apache-2.0
// The 16-lane vector type in one 512-bit register (vec_ops/lanes.h says what it offers).
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/vec_ops/lanes.h"

namespace rotor::kernels {
namespace {

// Register tiles: rows x vectors of a dot product, queries x lanes-of-16 of a value sum.
constexpr size_t kDotRows = 4;
constexpr size_t kDotBatch = 4;
constexpr size_t kValueQueries = 4;
constexpr size_t kValueVecs = 4;

using Vec = __m512;
using Ints = __m512i;

inline __mmask16 mask(First lanes) { return static_cast<__mmask16>((1u << lanes.n) - 1u); }

inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec load(const float* p, Whole) { return _mm512_loadu_ps(p); }
inline Vec load(const float* p, First n) { return _mm512_maskz_loadu_ps(mask(n), p); }
inline void store(float* p, Whole, Vec v) { _mm512_storeu_ps(p, v); }
inline void store(float* p, First n, Vec v) { _mm512_mask_storeu_ps(p, mask(n), v); }

inline Vec only(Vec v, Whole) { return v; }
inline Vec only(Vec v, First n) { return _mm512_maskz_mov_ps(mask(n), v); }

inline Vec load_f16(const uint16_t* p, Whole) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec load_f16(const uint16_t* p, First n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p));
}
inline __m256i to_f16(Vec v) {
  return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline void store_f16(uint16_t* p, Whole, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_f16(v));
}
inline void store_f16(uint16_t* p, First n, Vec v) {
  _mm256_mask_storeu_epi16(p, mask(n), to_f16(v));
}
inline Vec round_f16(Vec v) { return _mm512_cvtph_ps(to_f16(v)); }

// What the codes 0, 1, 2 stand for, times the scale. The table repeats, so that a permutation may take
// the bits above a code for part of it.
inline Vec trit_table(Vec scale) {
  return _mm512_mul_ps(scale, _mm512_setr_ps(-1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0, -1, 0, 1, 0));
}
// Byte j, bits 2d .. 2d + 1 hold the code of column 4 d + j.
inline Vec load_trits(const uint8_t* codes, Vec table) {
  const __m512i shifts =
      _mm512_setr_epi32(0, 8, 16, 24, 2, 10, 18, 26, 4, 12, 20, 28, 6, 14, 22, 30);
  int word = 0;
  __builtin_memcpy(&word, codes, sizeof(word));
  return _mm512_permutexvar_ps(_mm512_srlv_epi32(_mm512_set1_epi32(word), shifts), table);
}

inline Vec from_bf16(__m256i bits) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}
inline Vec load_bf16(const uint16_t* p, Whole) {
  return from_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec load_bf16(const uint16_t* p, First n) {
  return from_bf16(_mm256_maskz_loadu_epi16(mask(n), p));
}

inline Vec load_int32(const int32_t* p, Whole) {
  return _mm512_cvtepi32_ps(_mm512_loadu_si512(p));
}
inline Vec load_int32(const int32_t* p, First n) {
  return _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask(n), p));
}

inline Vec from_int8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
inline Vec load_int8(const int8_t* p, Whole) {
  return from_int8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Vec load_int8(const int8_t* p, First n) {
  return from_int8(_mm_maskz_loadu_epi8(mask(n), p));
}

inline Vec keep_16_bits(Vec v) {
  const __m512i rounded = _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x80));
  return _mm512_castsi512_ps(_mm512_and_si512(rounded, _mm512_set1_epi32(-0x100)));
}

inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec mul_add_exact(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }

// x < limit ? +0 : value.
inline Vec zero_where_less(Vec value, Vec x, Vec limit) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), value);
}
// x < 0 ? +0 : x; the instruction returns its second operand for NaN.
inline Vec relu(Vec x) { return _mm512_max_ps(zero(), x); }
inline Vec shift_left_23(Vec v) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(v), 23));
}

inline Ints zero_ints() { return _mm512_setzero_si512(); }
inline Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline int32_t sum(Ints v) { return _mm512_reduce_add_epi32(v); }
inline Ints max_magnitude(Ints a, Vec v) {
  return _mm512_max_epu32(a,
                          _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff)));
}
inline uint32_t largest(Ints v) { return _mm512_reduce_max_epu32(v); }
inline Vec greater(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline float largest(Vec v) { return _mm512_reduce_max_ps(v); }

inline Ints round_to_int8(Vec v) {
  const Ints rounded = _mm512_cvtps_epi32(v);
  return _mm512_min_epi32(_mm512_max_epi32(rounded, _mm512_set1_epi32(-128)),
                          _mm512_set1_epi32(127));
}
inline void store_int8(int8_t* p, Whole, Ints v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
}
inline void store_int8(int8_t* p, First n, Ints v) {
  _mm_mask_storeu_epi8(p, mask(n), _mm512_cvtepi32_epi8(v));
}

inline float fold(Vec v) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// fold() of four vectors at once: quarters of the register change places instead of idling.
inline void fold4(const Vec* v, float* out) {
  const Vec ab = add(_mm512_shuffle_f32x4(v[0], v[1], 0x44), _mm512_shuffle_f32x4(v[0], v[1], 0xee));
  const Vec cd = add(_mm512_shuffle_f32x4(v[2], v[3], 0x44), _mm512_shuffle_f32x4(v[2], v[3], 0xee));
  const Vec four = add(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  const Vec two = add(four, _mm512_permute_ps(four, 0x4e));
  const Vec one = add(two, _mm512_permute_ps(two, 0xb1));
  const Vec packed = _mm512_maskz_compress_ps(0x1111, one);
  _mm_storeu_ps(out, _mm512_castps512_ps128(packed));
}

// Adds lanes of v and w: (8 + 8 | 8 + 8), quarters to (4 + 4, ...), and so on.
[[gnu::always_inline]] inline Vec fold_halves(Vec v, Vec w) {
  return add(_mm512_shuffle_f32x4(v, w, 0x44), _mm512_shuffle_f32x4(v, w, 0xee));
}
[[gnu::always_inline]] inline Vec fold_quarters(Vec v, Vec w) {
  return add(_mm512_shuffle_f32x4(v, w, 0x88), _mm512_shuffle_f32x4(v, w, 0xdd));
}
[[gnu::always_inline]] inline Vec fold_pairs(Vec v, Vec w) {
  return add(_mm512_shuffle_ps(v, w, 0x44), _mm512_shuffle_ps(v, w, 0xee));
}
[[gnu::always_inline]] inline Vec fold_lanes(Vec v, Vec w) {
  return add(_mm512_shuffle_ps(v, w, 0x88), _mm512_shuffle_ps(v, w, 0xdd));
}
// Quarter i of the result: four lanes each whose sum is that of v[4 i].
[[gnu::always_inline]] inline Vec fold_column(const Vec* v) {
  return fold_quarters(fold_halves(v[0], v[4]), fold_halves(v[8], v[12]));
}

[[gnu::always_inline]] inline void fold4x4(const Vec* v, float* out, size_t stride) {
  const Vec first = fold_pairs(fold_column(v), fold_column(v + 1));
  const Vec last = fold_pairs(fold_column(v + 2), fold_column(v + 3));
  const Vec all = fold_lanes(first, last);
  _mm_storeu_ps(out, _mm512_castps512_ps128(all));
  _mm_storeu_ps(out + stride, _mm512_extractf32x4_ps(all, 1));
  _mm_storeu_ps(out + 2 * stride, _mm512_extractf32x4_ps(all, 2));
  _mm_storeu_ps(out + 3 * stride, _mm512_extractf32x4_ps(all, 3));
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
