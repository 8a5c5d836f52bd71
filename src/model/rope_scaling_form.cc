// SPDX-License-Identifier: Apache-2.0
#include "model/rope_scaling_form.h"

#include <algorithm>

namespace rotor {

RopeScaling essential(const RopeScaling& s) {
  RopeScaling out;
  out.type = s.type;
  switch (s.type) {
    case RopeScalingType::kNone: return out;
    case RopeScalingType::kLinear: out.factor = s.factor; return out;
    case RopeScalingType::kLlama3:
      out.factor = s.factor;
      out.original_context = s.original_context;
      out.low_freq_factor = s.low_freq_factor;
      out.high_freq_factor = s.high_freq_factor;
      return out;
    case RopeScalingType::kYarn:
      out = s;
      out.low_freq_factor = RopeScaling().low_freq_factor;
      out.high_freq_factor = RopeScaling().high_freq_factor;
      out.divisors.clear();
      return out;
    case RopeScalingType::kDivisors: out.divisors = s.divisors; return out;
  }
  return out;
}

RopeScaling in_binary32(const RopeScaling& s) {
  RopeScaling rounded = s;
  for (double RopeScaling::*number :
       {&RopeScaling::factor, &RopeScaling::original_context, &RopeScaling::low_freq_factor,
        &RopeScaling::high_freq_factor, &RopeScaling::beta_fast, &RopeScaling::beta_slow,
        &RopeScaling::attention_factor}) {
    rounded.*number = static_cast<float>(s.*number);
  }
  if (s.attention_factor == yarn_attention_factor(s.factor)) {
    rounded.attention_factor = yarn_attention_factor(rounded.factor);
  }
  return rounded;
}

std::vector<float> rotary_divisors(const RopeScaling& scaling, double theta, size_t head_dim) {
  const size_t half = head_dim / 2;
  std::vector<float> divisors(half);
  std::vector<float> scaled(half);
  rope_frequencies({}, theta, head_dim, divisors.data());
  rope_frequencies(scaling, theta, head_dim, scaled.data());
  for (size_t i = 0; i < half; ++i) {
    divisors[i] = std::max(1.0f, divisors[i] / scaled[i]);
  }
  return divisors;
}

}  // namespace rotor
