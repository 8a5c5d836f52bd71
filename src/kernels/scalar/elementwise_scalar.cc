// SPDX-License-Identifier: Apache-2.0
// Operations without a sum across elements, but for exp_sum.
#include "base/half.h"
#include "kernels/kernel_list.h"
#include "kernels/scalar/arithmetic.h"

namespace rotor::kernels {

void scale_tensor_scalar(const int32_t* acc, size_t n, float factor, float* out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(acc[i]) * factor;
  }
}

void scale_rows_scalar(const int32_t* acc, const float* row_scale, size_t n, float factor,
                       float* out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = static_cast<float>(acc[i]) * (row_scale[i] * factor);
  }
}

void add_to_scalar(float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    x[i] += y[i];
  }
}

void gated_relu2_scalar(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) {
    const float r = gate[i] < 0.0f ? 0.0f : gate[i];
    out[i] = (r * r) * up[i];
  }
}

void gated_silu_scalar(const float* gate, const float* up, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float e = exp_nonpositive(x < 0.0f ? x : -x);
    const float s = (x < 0.0f ? e : 1.0f) / (1.0f + e);
    out[i] = (x * s) * up[i];
  }
}

void gated_gelu_scalar(const float* gate, const float* up, size_t n, float* out) {
  constexpr float kLinear = 0x1.988454p+0f;  // 2 sqrt(2 / pi)
  constexpr float kCubic = 0x1.2444f2p-4f;   // 0.044715 times that
  for (size_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float z = x * ((x * x) * kCubic + kLinear);
    const float e = exp_nonpositive(z < 0.0f ? z : -z);
    const float s = (z < 0.0f ? e : 1.0f) / (1.0f + e);
    out[i] = (x * s) * up[i];
  }
}

void rope_scalar(float* x, size_t heads, size_t head_dim, const float* cos, const float* sin) {
  const size_t half = head_dim / 2;
  for (size_t h = 0; h < heads; ++h) {
    float* low = x + h * head_dim;
    float* high = low + half;
    for (size_t i = 0; i < half; ++i) {
      const float a = low[i];
      const float b = high[i];
      low[i] = a * cos[i] - b * sin[i];
      high[i] = b * cos[i] + a * sin[i];
    }
  }
}

void to_f16_scalar(const float* x, size_t n, uint16_t* out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = float_to_f16(x[i]);
  }
}

void from_f16_scalar(const uint16_t* x, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = f16_to_float(x[i]);
  }
}

void divide_by_scalar(const float* x, float divisor, size_t n, float* out) {
  for (size_t i = 0; i < n; ++i) {
    out[i] = x[i] / divisor;
  }
}

float exp_sum_scalar(const float* x, size_t n, float shift) {
  return ordered_sum(n, [=](size_t i) { return exp_nonpositive(x[i] - shift); });
}

}  // namespace rotor::kernels
