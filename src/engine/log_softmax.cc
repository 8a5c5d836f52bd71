// SPDX-License-Identifier: Apache-2.0
// Log-softmax with one fixed order of summation.
#include "engine/log_softmax.h"

#include "engine/exp_log.h"

namespace rotor {

LogSoftmax log_softmax(std::span<const float> logits) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;  // >= 1 at the end: the largest logit adds exactly 1
  for (const float logit : logits) {
    sum += portable_exp(logit - max);
  }
  return {max, portable_log(sum)};
}

}  // namespace rotor
