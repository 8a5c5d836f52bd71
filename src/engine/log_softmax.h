// SPDX-License-Identifier: Apache-2.0
// Log-probabilities of the tokens from a row of logits, in binary64.
#pragma once

#include <rotor/status.h>

#include <algorithm>
#include <span>

namespace rotor {

// What turns the logits of one row into log-probabilities.
struct LogSoftmax {
  double max;      // the largest logit
  double log_sum;  // ln(sum of exp(logit - max)), >= 0

  double operator()(float logit) const { return std::min(0.0, (logit - max) - log_sum); }
};

// Sums from the first logit to the last. Logits are finite or -infinity, at least one is finite.
LogSoftmax log_softmax(std::span<const float> logits);

// kNotFinite, naming the first token whose logit is infinite or NaN.
Status check_finite(std::span<const float> logits);

}  // namespace rotor
