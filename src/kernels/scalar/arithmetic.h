// SPDX-License-Identifier: Apache-2.0
// The one order of arithmetic of docs/numerics.md in code: sums, exp, RMS. Scalar kernels call these;
// vector kernels must give the same bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/exp_constants.h"

namespace rotor::kernels {

inline constexpr size_t kLanes = 16;
inline constexpr size_t kSumBlock = 256;

// SUM of term(0) .. term(n - 1): blocks of 256 terms, 16 lanes a block, block totals added lane by
// lane in block order, then a fixed fold of the lanes.
template <typename Term>
float ordered_sum(size_t n, Term term) {
  float total[kLanes] = {};
  for (size_t block = 0; block < n; block += kSumBlock) {
    float lane[kLanes] = {};
    const size_t end = std::min(n, block + kSumBlock);
    for (size_t i = block; i < end; ++i) {
      lane[i % kLanes] += term(i);
    }
    for (size_t l = 0; l < kLanes; ++l) {
      total[l] += lane[l];
    }
  }
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) {
      total[l] += total[l + half];
    }
  }
  return total[0];
}

// exp(x) for x <= 0; 0 below kExpCutoff; NaN for NaN. Error below 1 ulp.
inline float exp_nonpositive(float x) {
  if (x < kExpCutoff) {
    return 0.0f;
  }
  // t holds n = round(x / ln 2) in its low bits, biased so that shifting them up makes 2^n.
  const float t = x * kLog2E + kExpMagic;
  const float n = t - kExpMagic;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float q = kExp6;
  q = q * r + kExp5;
  q = q * r + kExp4;
  q = q * r + kExp3;
  q = q * r + kExp2;
  q = (q * r) * r;
  const float p = (q + r) + 1.0f;
  return p * std::bit_cast<float>(std::bit_cast<uint32_t>(t) << 23);
}

// 1 / sqrt(mean + eps), both operations correctly rounded; NaN when the sum is infinite, because a
// reciprocal of 0 would turn the row that overflowed into zeros that nobody notices. For any other
// sum the last term is +0.
inline float reciprocal_rms(float sum_of_squares, size_t n, float eps) {
  return 1.0f / std::sqrt(sum_of_squares / static_cast<float>(n) + eps) +
         (sum_of_squares - sum_of_squares);
}

// Magnitudes are compared as bit patterns, which order like the values and put infinity and NaN on
// top: a maximum that cannot lose them.
inline constexpr uint32_t kInfinityBits = 0x7f800000u;
inline uint32_t magnitude_bits(float x) { return std::bit_cast<uint32_t>(x) & 0x7fffffffu; }

}  // namespace rotor::kernels
