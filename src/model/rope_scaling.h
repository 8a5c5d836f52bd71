// SPDX-License-Identifier: Apache-2.0
// RopeScaling: how a model stretches its rotary frequencies beyond the context it was first trained
// on. Computed as transformers does (modeling_rope_utils.py), roundings to binary32 included.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace rotor {

enum class RopeScalingType : uint8_t {
  kNone,
  kLinear,   // all frequencies divided by `factor`
  kLlama3,   // long waves divided by `factor`, short ones kept, those between interpolated
  kYarn,     // a ramp between the dimensions of `beta_fast` and `beta_slow` rotations
  kDivisors, // each frequency divided by its own number (rope_freqs.weight of GGUF)
};

struct RopeScaling {
  RopeScalingType type = RopeScalingType::kNone;
  double factor = 1.0;
  double original_context = 0.0;  // kLlama3, kYarn: positions before stretching
  double low_freq_factor = 1.0;   // kLlama3: original_context over the longest wave that is mixed
  double high_freq_factor = 4.0;  //   and over the shortest
  double beta_fast = 32.0;        // kYarn: rotations over the original context
  double beta_slow = 1.0;
  bool truncate = true;           // kYarn: the ramp begins and ends at whole dimensions
  double attention_factor = 1.0;  // kYarn: multiplies cosines and sines
  std::vector<float> divisors;    // kDivisors: (head_dim / 2)

  friend bool operator==(const RopeScaling&, const RopeScaling&) = default;
};

// "none", "linear", "llama3", "yarn" or "divisors".
std::string_view rope_scaling_name(RopeScalingType type);

// 0.1 ln(factor) + 1, what YaRN multiplies cosines and sines with unless a model says otherwise.
double yarn_attention_factor(double factor);

// kFormatError naming the field that cannot be computed with. What passes only lowers frequencies.
Status validate(const RopeScaling& scaling, size_t head_dim);

// inv_freq[i] for i < head_dim / 2. REQUIRES: validate() and 1 < theta < 1e12.
void rope_frequencies(const RopeScaling& scaling, double theta, size_t head_dim, float* inv_freq);

}  // namespace rotor
