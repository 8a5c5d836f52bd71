// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/head_limbs.h"

#include <algorithm>
#include <cmath>

namespace rotor {
namespace {

constexpr int kLargestValue = 8127;  // 128 * 63 + 63

// Rounding of the full head: DOT (docs/numerics.md) rounds each product, adds at most 16 of them in a
// lane, then the blocks of 256, then folds four times; every rounding is at most 2^-24.
double rounding_of_dot(size_t cols) {
  const double roundings = 32 + static_cast<double>(cols) / 256;
  return roundings * 0x1p-24 * 1.01;
}

}  // namespace

// With head row w = scale q + e, the bound has four parts. e . h and scale q . r, by Cauchy-Schwarz;
// what the kernel of the full head rounds; and what coarse_logit() rounds, at most
// 2^-21 scale ||q|| step (128 ||a|| + ||b||), the last factors `rounding`. scale ||q|| is at most norm + error.
// docs/numerics.md tells what rest_margin() adds.
std::optional<HeadLimbs> HeadLimbs::split(const float* h, size_t n, int8_t* a, int8_t* b) {
  constexpr float kSmallest = 1e-20f;
  constexpr float kLargest = 0x1p52f;  // of 2^16 values; with rows below 2^63 no logit overflows
  constexpr double kRoundedUp = 1 + 0x1p-20;
  float largest = 0;
  bool finite = true;
  for (size_t c = 0; c < n; ++c) {
    largest = std::max(largest, std::fabs(h[c]));
    finite = finite && std::isfinite(h[c]);
  }
  if (!finite || largest < kSmallest || largest > kLargest) {
    return std::nullopt;
  }
  HeadLimbs limbs;
  limbs.step = largest / kLargestValue;
  const double step = limbs.step;
  double squares = 0;
  double left = 0;
  int64_t a_squares = 0;
  int64_t b_squares = 0;
  int32_t a_sum = 0;
  int32_t b_sum = 0;
  for (size_t c = 0; c < n; ++c) {
    const double exact = h[c];
    const int nearest = static_cast<int>(std::lrint(exact / step));
    const int value = std::clamp(nearest, -kLargestValue, kLargestValue);
    const int high = (value + 64) >> 7;
    const int low = value - 128 * high;
    a[c] = static_cast<int8_t>(high);
    b[c] = static_cast<int8_t>(low);
    a_sum += high;
    b_sum += low;
    a_squares += high * high;
    b_squares += low * low;
    squares += exact * exact;
    left += (exact - step * value) * (exact - step * value);
  }
  limbs.a_sum = a_sum;
  limbs.b_sum = b_sum;
  const double length = std::sqrt(squares);
  const double rest = std::sqrt(left);
  const double rounding = 0x1p-21 * step *
                          (128 * std::sqrt(static_cast<double>(a_squares)) +
                           std::sqrt(static_cast<double>(b_squares)));
  limbs.rounding = static_cast<float>(rounding * kRoundedUp);
  limbs.per_error = static_cast<float>((length + rest + rounding) * kRoundedUp);
  limbs.per_norm = static_cast<float>((rest + rounding + rounding_of_dot(n) * length) * kRoundedUp);
  return limbs;
}

}  // namespace rotor
