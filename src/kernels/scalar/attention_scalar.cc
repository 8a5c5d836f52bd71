// SPDX-License-Identifier: Apache-2.0
// Attention over one page, and the merge of pages.
#include <bit>
#include <limits>

#include "base/half.h"
#include "kernels/kernel_list.h"
#include "kernels/scalar/arithmetic.h"

namespace rotor::kernels {
namespace {

// How a cache element is read, to what its softmax weights are rounded, and whether positions have scales.
struct CacheF32 {
  using Element = float;
  static float load(float x) { return x; }
  static float round(float p) { return p; }
  static constexpr bool kScaled = false;
};
struct CacheF16 {
  using Element = uint16_t;
  static float load(uint16_t x) { return f16_to_float(x); }
  static float round(float p) { return f16_to_float(float_to_f16(p)); }
  static constexpr bool kScaled = false;
};
struct CacheBf16 : CacheF32 {
  using Element = uint16_t;
  static float load(uint16_t x) { return bf16_to_float(x); }
};
struct CacheInt8 : CacheF32 {
  using Element = int8_t;
  static float load(int8_t x) { return x; }
  static constexpr bool kScaled = true;
};

// To 16 significant bits, ties away from zero; its product with an int8 is exact.
float keep_16_bits(float x) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0x80u) & ~0xffu);
}

// The largest score with -0 made +0; NaN when a score is infinite or NaN.
float largest_score(const float* scores, size_t begin, size_t end) {
  float largest = scores[begin];
  uint32_t magnitude = 0;
  for (size_t j = begin; j < end; ++j) {
    largest = largest < scores[j] ? scores[j] : largest;
    magnitude = std::max(magnitude, magnitude_bits(scores[j]));
  }
  return magnitude < kInfinityBits ? largest + 0.0f : std::numeric_limits<float>::quiet_NaN();
}

template <typename Cache>
void attend_query(const AttendArgs& args, const AttendRow& row, size_t query) {
  using Element = typename Cache::Element;
  const size_t dim = args.head_dim;
  const Element* keys = static_cast<const Element*>(args.keys);
  const Element* values = static_cast<const Element*>(args.values);
  const float* q = row.q + query * dim;
  float* out = row.out + query * dim;
  float* p = args.scratch;
  for (size_t j = row.begin; j < row.end; ++j) {
    const Element* key = keys + j * dim;
    p[j] = ordered_sum(dim, [=](size_t d) { return q[d] * Cache::load(key[d]); });
    p[j] = (Cache::kScaled ? p[j] * args.key_scales[j] : p[j]) * args.scale;
  }
  const float largest = largest_score(p, row.begin, row.end);
  for (size_t j = row.begin; j < row.end; ++j) {
    p[j] = Cache::round(exp_nonpositive(p[j] - largest));
  }
  row.max_score[query] = largest;
  row.sum[query] = ordered_sum(row.end, [=, begin = row.begin](size_t j) {
    return j < begin ? 0.0f : p[j];
  });
  std::fill_n(out, dim, 0.0f);
  for (size_t j = row.begin; j < row.end; ++j) {
    p[j] = Cache::kScaled ? keep_16_bits(p[j] * args.value_scales[j]) : p[j];
    for (size_t d = 0; d < dim; ++d) {
      out[d] += p[j] * Cache::load(values[j * dim + d]);
    }
  }
}

template <typename Cache>
void attend(const AttendArgs& args) {
  for (size_t r = 0; r < args.row_count; ++r) {
    for (size_t query = 0; query < args.queries; ++query) {
      attend_query<Cache>(args, args.rows[r], query);
    }
  }
}

}  // namespace

void attend_f16_scalar(const AttendArgs& args) { attend<CacheF16>(args); }
void attend_bf16_scalar(const AttendArgs& args) { attend<CacheBf16>(args); }
void attend_f32_scalar(const AttendArgs& args) { attend<CacheF32>(args); }
void attend_int8_scalar(const AttendArgs& args) { attend<CacheInt8>(args); }

void attend_merge_scalar(float* max_score, float* sum, float* out, float max_score2, float sum2,
                         const float* out2, size_t head_dim) {
  const float largest = *max_score < max_score2 ? max_score2 : *max_score;
  const float a = exp_nonpositive(*max_score - largest);
  const float b = exp_nonpositive(max_score2 - largest);
  *max_score = largest;
  *sum = *sum * a + sum2 * b;
  for (size_t d = 0; d < head_dim; ++d) {
    out[d] = out[d] * a + out2[d] * b;
  }
}

}  // namespace rotor::kernels
