// SPDX-License-Identifier: Apache-2.0
// exp and ln in binary64 from additions, multiplications and one division, all correctly rounded by
// IEEE 754: the same bits on every machine, which the C library does not promise.
// Holds with the default rounding and without contraction (all files are compiled so).
#pragma once

#include <bit>
#include <cstdint>

namespace rotor {

namespace exp_log {
inline constexpr double kLn2High =
    0x1.62e42fee00000p-1;  // 21 trailing zeros: k * kLn2High is exact
inline constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
inline constexpr double kLog2E = 0x1.71547652b82fep+0;
inline constexpr double kRoundToInteger = 0x1.8p52;  // x + this - this rounds |x| < 2^51
}  // namespace exp_log

// e^x for x <= 709; below -700 the result is 0. Relative error < 2^-51. NaN is not allowed.
inline double portable_exp(double x) {
  using namespace exp_log;
  if (x < -700.0) {
    return 0.0;
  }
  const double shifted = x * kLog2E + kRoundToInteger;
  const double k = shifted - kRoundToInteger;
  const double r = (x - k * kLn2High) - k * kLn2Low;  // |r| <= ln(2) / 2 + 2^-40
  // Taylor to degree 13: the rest is below 0.347^14 / 14! < 2^-57.
  double sum = 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  // k is in [-1010, 1023], so the scale is a normal number; the low bits of `shifted` are k.
  const uint64_t exponent = std::bit_cast<uint64_t>(shifted) + 1023;
  return sum * std::bit_cast<double>(exponent << 52);
}

// ln(x) for finite normal x > 0. Relative error < 2^-50, also near 1.
inline double portable_log(double x) {
  using namespace exp_log;
  constexpr uint64_t kSqrtHalfBits = 0x3fe6a09e667f3bcd;
  constexpr uint64_t kExponentMask = uint64_t{0xfff} << 52;
  // x = 2^k * m with m in [sqrt(1/2), sqrt(2)).
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const uint64_t offset = (bits - kSqrtHalfBits) & kExponentMask;
  const double m = std::bit_cast<double>(bits - offset);
  const double k = static_cast<double>(static_cast<int64_t>(offset) >> 52);
  // ln(m) = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.1716; the series to s^21 leaves < 2^-58 s.
  const double f = m - 1.0;  // exact
  const double s = f / (2.0 + f);
  const double z = s * s;
  double sum = 1.0 / 21.0;
  sum = sum * z + 1.0 / 19.0;
  sum = sum * z + 1.0 / 17.0;
  sum = sum * z + 1.0 / 15.0;
  sum = sum * z + 1.0 / 13.0;
  sum = sum * z + 1.0 / 11.0;
  sum = sum * z + 1.0 / 9.0;
  sum = sum * z + 1.0 / 7.0;
  sum = sum * z + 1.0 / 5.0;
  sum = sum * z + 1.0 / 3.0;
  const double log_m = 2.0 * s + 2.0 * s * (z * sum);
  return k * kLn2High + (log_m + k * kLn2Low);
}

}  // namespace rotor
