// SPDX-License-Identifier: Apache-2.0
// Rotary angles. All functions work in binary64 to far better than half an ulp of binary32; series
// are Taylor series with a fixed number of terms, evaluated from the last term inwards.
#include "kernels/rotary.h"

#include <bit>

namespace rotor {
namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;

// 2^n for -1022 <= n <= 1023.
double power_of_two(int n) {
  return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52);
}

// ln(x) for normal x >= 1: x = m 2^e with m in [0.75, 1.5), ln(m) = 2 artanh((m - 1) / (m + 1)).
// |s| <= 0.2, so the first term left out is below 2 * 0.2^33 / 33 < 2^-78.
double natural_log(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000fffffffffffffu) | 0x3ff0000000000000u);
  if (m >= 1.5) {
    m *= 0.5;
    ++exponent;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double square = s * s;
  double series = 0.0;
  for (int k = 31; k >= 1; k -= 2) {
    series = series * square + 1.0 / k;
  }
  return exponent * kLn2 + 2.0 * s * series;
}

// exp(x) for 0 <= x <= 45: 2^n exp(r), |r| <= ln(2) / 2; the first term left out is r^18 / 18!.
double exponential(double x) {
  const int n = static_cast<int>(x / kLn2 + 0.5);
  const double r = x - n * kLn2;
  double series = 1.0;
  for (int k = 17; k >= 1; --k) {
    series = 1.0 + series * r / k;
  }
  return series * power_of_two(n);
}

struct SinCos {
  double sin;
  double cos;
};

// Taylor series for |r| <= pi/4 + 2^-20; the first terms left out are r^19 / 19! and r^20 / 20!.
SinCos sin_cos_reduced(double r) {
  const double square = r * r;
  double sin = 1.0;
  for (int k = 16; k >= 2; k -= 2) {
    sin = 1.0 - sin * square / (k * (k + 1));
  }
  double cos = 1.0;
  for (int k = 17; k >= 1; k -= 2) {
    cos = 1.0 - cos * square / (k * (k + 1));
  }
  return {sin * r, cos};
}

// x = n pi/2 + r for 0 <= x <= 2^24: n < 2^24, and pi/2 is cut into two parts of 29 bits, whose
// products with n are exact, and the rest.
SinCos sin_cos(double x) {
  constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  constexpr double kHalfPi1 = 0x1.921fb54p+0;
  constexpr double kHalfPi2 = 0x1.10b4611p-30;
  constexpr double kHalfPi3 = 0x1.4c4c6628b80dcp-59;
  const int32_t n = static_cast<int32_t>(x * kTwoOverPi + 0.5);
  const double r = ((x - n * kHalfPi1) - n * kHalfPi2) - n * kHalfPi3;
  const SinCos reduced = sin_cos_reduced(r);
  switch (n & 3) {
    case 0:
      return reduced;
    case 1:
      return {reduced.cos, -reduced.sin};
    case 2:
      return {-reduced.sin, -reduced.cos};
    default:
      return {-reduced.cos, reduced.sin};
  }
}

}  // namespace

void rotary_powers(double theta, size_t head_dim, float* powers) {
  const double log_theta = natural_log(theta);
  for (size_t i = 0; i < head_dim / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    powers[i] = static_cast<float>(exponential(exponent * log_theta));
  }
}

void rotary_inverse_frequencies(double theta, size_t head_dim, float* inv_freq) {
  rotary_powers(theta, head_dim, inv_freq);
  for (size_t i = 0; i < head_dim / 2; ++i) {
    inv_freq[i] = 1.0f / inv_freq[i];
  }
}

void rotary_angles(uint32_t position, const float* inv_freq, size_t half_dim, float* cos,
                   float* sin) {
  for (size_t i = 0; i < half_dim; ++i) {
    const float angle = static_cast<float>(position) * inv_freq[i];
    const SinCos result = sin_cos(angle);
    cos[i] = static_cast<float>(result.cos);
    sin[i] = static_cast<float>(result.sin);
  }
}

}  // namespace rotor
