// SPDX-License-Identifier: Apache-2.0
// Scalars are computed in binary64 and rounded once where they meet a frequency; frequencies are
// binary32, one rounding an operation, in the order in which torch evaluates the expressions of
// transformers. torch divides a number by a tensor as the number times the reciprocals.
#include "model/rope_scaling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "base/exp_log.h"
#include "kernels/rotary.h"

namespace rotor {
namespace {

constexpr double kPi = 0x1.921fb54442d18p+1;
constexpr std::array<std::string_view, 5> kNames = {"none", "linear", "llama3", "yarn", "divisors"};
constexpr double kMostFactor = 1e6;

float narrow(double x) { return static_cast<float>(x); }

void scale_linear(const RopeScaling& s, size_t half, float* inv_freq) {
  for (size_t i = 0; i < half; ++i) {
    inv_freq[i] /= narrow(s.factor);
  }
}

void scale_llama3(const RopeScaling& s, size_t half, float* inv_freq) {
  const float longest = narrow(s.original_context / s.low_freq_factor);
  const float shortest = narrow(s.original_context / s.high_freq_factor);
  for (size_t i = 0; i < half; ++i) {
    const float kept = inv_freq[i];
    const float wave = (1.0f / kept) * narrow(2 * kPi);
    const float divided = kept / narrow(s.factor);
    if (wave > longest) {
      inv_freq[i] = divided;
    } else if (!(wave < shortest)) {
      const float turns = (1.0f / wave) * narrow(s.original_context);
      const float smooth = (turns - narrow(s.low_freq_factor)) /
                           narrow(s.high_freq_factor - s.low_freq_factor);
      inv_freq[i] = ((1.0f - smooth) * kept) / narrow(s.factor) + smooth * kept;
    }
  }
}

// The dimension that turns `rotations` times over the original context.
double dimension_of(double rotations, const RopeScaling& s, double theta, size_t head_dim) {
  const double turns = s.original_context / (rotations * 2 * kPi);
  return static_cast<double>(head_dim) * portable_log(turns) / (2 * portable_log(theta));
}

void scale_yarn(const RopeScaling& s, double theta, size_t head_dim, float* inv_freq) {
  double low = dimension_of(s.beta_fast, s, theta, head_dim);
  double high = dimension_of(s.beta_slow, s, theta, head_dim);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(head_dim - 1));
  if (low == high) {
    high += 0.001;
  }
  std::vector<float> powers(head_dim / 2);
  rotary_powers(theta, head_dim, powers.data());
  for (size_t i = 0; i < powers.size(); ++i) {
    const float place = (static_cast<float>(i) - narrow(low)) / narrow(high - low);
    const float kept = 1.0f - std::clamp(place, 0.0f, 1.0f);
    const float divided = 1.0f / (narrow(s.factor) * powers[i]);
    inv_freq[i] = divided * (1.0f - kept) + (1.0f / powers[i]) * kept;
  }
}

}  // namespace

std::string_view rope_scaling_name(RopeScalingType type) {
  return kNames[static_cast<size_t>(type)];
}

double yarn_attention_factor(double factor) {
  return factor <= 1.0 ? 1.0 : 0.1 * portable_log(factor) + 1.0;
}

Status validate(const RopeScaling& s, size_t head_dim) {
  const auto in_range = [](const char* field, double value, double least, double most) -> Status {
    if (value >= least && value <= most) {
      return {};
    }
    return format_error(std::string("rotary scaling: ") + field + " must lie in [" +
                        std::to_string(least) + ", " + std::to_string(most) + "], got " +
                        std::to_string(value));
  };
  if (s.type == RopeScalingType::kNone) {
    return {};
  }
  if (s.type == RopeScalingType::kDivisors) {
    if (s.divisors.size() != head_dim / 2) {
      return format_error("rotary scaling: expected " + std::to_string(head_dim / 2) +
                          " divisors, got " + std::to_string(s.divisors.size()));
    }
    for (const float divisor : s.divisors) {
      ROTOR_TRY(in_range("a divisor of a frequency", divisor, 1.0, kMostFactor));
    }
    return {};
  }
  ROTOR_TRY(in_range("factor", s.factor, 1.0, kMostFactor));
  if (s.type == RopeScalingType::kLinear) {
    return {};
  }
  ROTOR_TRY(in_range("original_max_position_embeddings", s.original_context, 1.0, 0x1p24));
  if (s.type == RopeScalingType::kLlama3) {
    ROTOR_TRY(in_range("low_freq_factor", s.low_freq_factor, 1e-3, kMostFactor));
    ROTOR_TRY(in_range("high_freq_factor", s.high_freq_factor, 1e-3, kMostFactor));
    return s.low_freq_factor < s.high_freq_factor
               ? Status()
               : format_error("rotary scaling: low_freq_factor must be below high_freq_factor");
  }
  ROTOR_TRY(in_range("beta_fast", s.beta_fast, 1e-3, kMostFactor));
  ROTOR_TRY(in_range("beta_slow", s.beta_slow, 1e-3, kMostFactor));
  return in_range("attention_factor", s.attention_factor, 1e-3, 1e3);
}

void rope_frequencies(const RopeScaling& scaling, double theta, size_t head_dim, float* inv_freq) {
  const size_t half = head_dim / 2;
  rotary_inverse_frequencies(theta, head_dim, inv_freq);
  switch (scaling.type) {
    case RopeScalingType::kNone: return;
    case RopeScalingType::kLinear: scale_linear(scaling, half, inv_freq); return;
    case RopeScalingType::kLlama3: scale_llama3(scaling, half, inv_freq); return;
    case RopeScalingType::kYarn: scale_yarn(scaling, theta, head_dim, inv_freq); return;
    case RopeScalingType::kDivisors: break;
  }
  for (size_t i = 0; i < half; ++i) {
    inv_freq[i] /= scaling.divisors[i];
  }
}

}  // namespace rotor
