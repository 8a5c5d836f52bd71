// SPDX-License-Identifier: Apache-2.0
// HeadLimbs: a hidden state as two vectors of small integers, which the scan of a head's coarse form
// multiplies, and what bounds a logit by it (docs/numerics.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace rotor {

// A hidden state h (n) is step (128 a + b) + r with a and b in -64..63.
struct HeadLimbs {
  // Writes a (n) and b (n). Nothing when h is not finite, or too large or too small to be bounded.
  static std::optional<HeadLimbs> split(const float* h, size_t n, int8_t* a, int8_t* b);

  // The logit of the coarse form. `high` and `low`: sums over the columns of a row's codes 128 + q
  // times a and b. `scale`: of the row.
  float coarse_logit(int32_t high, int32_t low, float scale) const {
    const float value =
        128.0f * static_cast<float>(high - high_sum) + static_cast<float>(low - low_sum);
    return value * (scale * step);
  }

  // How far it may be from the logit of the full head, for a row w = scale q + e with ||e|| <= error
  // and ||w|| <= norm; a little more, in case products underflow. With it added and subtracted, in
  // binary32, the coarse logit becomes bounds of the logit.
  float margin(float error, float norm) const {
    return per_error * error + per_norm * norm + 1e-30f;
  }

  float step = 0;
  int32_t high_sum = 0;  // 128 times the sum of a: codes are 128 too large
  int32_t low_sum = 0;   // likewise of b
  float per_error = 0;
  float per_norm = 0;
};

}  // namespace rotor
