// SPDX-License-Identifier: Apache-2.0
// Log-softmax with one fixed order of summation.
#include "engine/log_softmax.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/exp_log.h"

namespace rotor {
namespace {

bool all_finite(std::span<const float> values) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t infinite = 0;  // without a branch, so that the loop is vectorised
  for (const float value : values) {
    infinite |= static_cast<uint32_t>((std::bit_cast<uint32_t>(value) & kExponent) == kExponent);
  }
  return infinite == 0;
}

}  // namespace

LogSoftmax log_softmax(std::span<const float> logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;  // >= 1 at the end: the largest logit adds exactly 1
  for (const float logit : logits) {
    sum += portable_exp(logit - max);
  }
  return {max, portable_log(sum)};
}

Status check_finite(std::span<const float> logits) {
  if (all_finite(logits)) {
    return Status();
  }
  const auto bad = std::find_if_not(logits.begin(), logits.end(),
                                    [](float value) { return std::isfinite(value); });
  return Status(Code::kNotFinite, "the logit of token " + std::to_string(bad - logits.begin()) +
                                      " is " + std::to_string(*bad) + ", expected a finite number");
}

}  // namespace rotor
