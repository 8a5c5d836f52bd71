// SPDX-License-Identifier: Apache-2.0
// Biases and penalties. Every step is one binary32 operation on one logit, so no order matters
// but the one written here.
#include "engine/logit_adjust.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "engine/log_softmax.h"

namespace rotor {
namespace {

Status not_finite(std::string_view what, size_t token, float value) {
  return Status(Code::kNotFinite, std::string(what) + " of token " + std::to_string(token) +
                                      " is " + std::to_string(value) +
                                      ", expected a finite number");
}

}  // namespace

LogitAdjuster::LogitAdjuster(const SamplingParams& params, size_t vocab) : params_(params) {
  if (params.penalizes()) {
    counts_.resize(vocab);
  }
  if (params.penalizes() || !params.logit_bias.empty()) {
    row_.resize(vocab);
  }
}

Result<std::span<const float>> LogitAdjuster::apply(std::span<const float> logits,
                                                    std::span<const TokenId> history) {
  ROTOR_TRY(check_finite(logits));
  if (row_.empty()) {
    return logits;
  }
  if (logits.size() != row_.size()) {
    return internal_error("sampling: " + std::to_string(logits.size()) + " logits for " +
                          std::to_string(row_.size()) + " tokens");
  }
  std::copy(logits.begin(), logits.end(), row_.begin());
  ROTOR_TRY(add_biases());
  if (!counts_.empty()) {
    ROTOR_TRY(penalize(history));
  }
  return std::span<const float>(row_);
}

Status LogitAdjuster::add_biases() {
  size_t banned = 0;
  for (const auto& [token, bias] : params_.logit_bias) {
    float& logit = row_[static_cast<size_t>(token)];
    logit += bias;
    banned += bias == -INFINITY;
    if (bias != -INFINITY && !std::isfinite(logit)) {
      return not_finite("the biased logit", static_cast<size_t>(token), logit);
    }
  }
  if (banned == row_.size()) {
    return invalid_argument("logit_bias bans every token");
  }
  return Status();
}

Status LogitAdjuster::penalize(std::span<const TokenId> history) {
  const size_t window =
      params_.repeat_last_n < 0 ? history.size() : static_cast<size_t>(params_.repeat_last_n);
  const auto seen = history.last(std::min(window, history.size()));
  for (const TokenId token : seen) {
    if (static_cast<size_t>(token) >= row_.size()) {
      return invalid_argument("token " + std::to_string(token) +
                              " is not below the vocabulary of " + std::to_string(row_.size()));
    }
  }
  for (const TokenId token : seen) {
    ++counts_[static_cast<size_t>(token)];
  }
  Status status;
  for (const TokenId token : seen) {
    const size_t index = static_cast<size_t>(token);
    const uint32_t count = std::exchange(counts_[index], 0);
    float& logit = row_[index];
    if (count == 0 || logit == -INFINITY) {
      continue;  // done at its first occurrence, or banned
    }
    logit = logit > 0 ? logit / params_.repeat_penalty : logit * params_.repeat_penalty;
    logit -= static_cast<float>(count) * params_.frequency_penalty;
    logit -= params_.presence_penalty;
    if (!std::isfinite(logit)) {
      status = not_finite("the penalized logit", index, logit);
    }
  }
  return status;
}

}  // namespace rotor
