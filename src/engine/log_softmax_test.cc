// SPDX-License-Identifier: Apache-2.0
// Log-probabilities: they sum to one, large logits lose no digits, certainty is exactly 0.
#include "engine/log_softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace rotor {
namespace {

TEST(LogSoftmax, SumsToOneAndSurvivesLargeLogits) {
  const std::vector<float> logits = {1000, 1001, -1000, 999};
  const LogSoftmax log_probability = log_softmax(logits);
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(log_probability(logit));
  }
  EXPECT_NEAR(sum, 1, 1e-15);
  EXPECT_NEAR(log_probability(1000), -1.4076059644443804, 4e-16);
}

TEST(LogSoftmax, CertaintyIsZeroAndBannedTokensAreImpossible) {
  EXPECT_EQ(log_softmax(std::vector<float>{3})(3), 0);
  const LogSoftmax log_probability = log_softmax(std::vector<float>{3, -INFINITY});
  EXPECT_EQ(log_probability(3), 0);
  EXPECT_EQ(log_probability(-INFINITY), -INFINITY);
}

}  // namespace
}  // namespace rotor
