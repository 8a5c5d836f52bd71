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

  // The logit of the codes alone. `high` and `low`: sums over the columns of a row's codes times a and b.
  // `scale`: of the row.
  float coarse_logit(int32_t high, int32_t low, float scale) const {
    return half_units(8 * high - 253 * a_sum, 8 * low - 253 * b_sum, scale);  // 2 (4 code + 1.5 - 128)
  }
  // What the rests add to it: `high` and `low` are their sums.
  float rest_logit(int32_t high, int32_t low, float scale) const {
    return half_units(2 * high - 3 * a_sum, 2 * low - 3 * b_sum, scale);  // 2 (rest - 1.5)
  }

  // How far the coarse logit may be from that of the full head, for a row w = scale q + e with ||e|| <= error
  // and ||w|| <= norm; a little more, in case products underflow. With it added and subtracted, in
  // binary32, the coarse logit becomes bounds of the logit.
  float margin(float error, float norm) const {
    return per_error * error + per_norm * norm + 1e-30f;
  }
  // Likewise, when the coarse logit was taken back from its upper bound and what the rests add was added;
  // `error` is that of both, `coarse_error` that of the codes alone.
  float rest_margin(float error, float coarse_error, float norm) const {
    return margin(error, norm) + rounding * (4 * coarse_error + 2 * norm);
  }

  float step = 0;
  int32_t a_sum = 0;
  int32_t b_sum = 0;
  float per_error = 0;
  float per_norm = 0;
  float rounding = 0;

 private:
  float half_units(int32_t high, int32_t low, float scale) const {
    return (128.0f * static_cast<float>(high) + static_cast<float>(low)) * (scale * (0.5f * step));
  }
};

}  // namespace rotor
