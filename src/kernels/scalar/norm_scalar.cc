// SPDX-License-Identifier: Apache-2.0
// RMSNorm and quantisation to int8.
#include "kernels/kernel_list.h"
#include "kernels/scalar/arithmetic.h"

namespace rotor::kernels {
namespace {

float sum_of_squares(const float* x, size_t n) {
  return ordered_sum(n, [x](size_t i) { return x[i] * x[i]; });
}

// The integer nearest to v, ties to even, for |v| < 2^22: adding 1.5 * 2^23 leaves no fraction bits.
int32_t round_half_even(float v) {
  constexpr float kMagic = 12582912.0f;
  return std::bit_cast<int32_t>(v + kMagic) - std::bit_cast<int32_t>(kMagic);
}

Quantized quantize(const float* y, size_t n, int8_t* q, size_t n_padded) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; ++i) {
    largest = std::max(largest, magnitude_bits(y[i]));
  }
  const float scale = 127.0f / std::max(std::bit_cast<float>(largest), 1e-5f);
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    q[i] = static_cast<int8_t>(std::clamp(round_half_even(y[i] * scale), -128, 127));
    sum += q[i];
  }
  std::fill(q + n, q + n_padded, int8_t{0});
  return {scale, sum, largest < kInfinityBits};
}

}  // namespace

void rms_norm_scalar(const float* x, const float* weight, size_t n, float eps, float* out) {
  const float r = reciprocal_rms(sum_of_squares(x, n), n, eps);
  for (size_t i = 0; i < n; ++i) {
    out[i] = weight[i] * (x[i] * r);
  }
}

Quantized rms_norm_quantize_scalar(const float* x, const float* weight, size_t n, float eps,
                                   float* normed, int8_t* q, size_t n_padded) {
  if (weight != nullptr) {
    rms_norm_scalar(x, weight, n, eps, normed);
  } else if (normed != x) {
    std::copy_n(x, n, normed);
  }
  return quantize(normed, n, q, n_padded);
}

}  // namespace rotor::kernels
