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

// Every logit is finite or a ban, and one is left that `biases` do not ban as well.
Status check_banned(std::span<const float> logits, std::span<const LogitBias> biases) {
  size_t left = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != -INFINITY && !std::isfinite(logits[i])) {
      return not_finite("the processed logit", i, logits[i]);
    }
    left += logits[i] != -INFINITY;
  }
  for (const auto& [token, bias] : biases) {
    left -= bias == -INFINITY && logits[static_cast<size_t>(token)] != -INFINITY;
  }
  return left > 0 ? Status() : invalid_argument("logits_processor and logit_bias ban every token");
}

}  // namespace

LogitAdjuster::LogitAdjuster(const SamplingParams& params, size_t vocab)
    : params_(params), vocab_(vocab) {
  if (params.penalizes()) {
    counts_.resize(vocab);
  }
}

Result<std::span<const float>> LogitAdjuster::apply(std::span<const float> logits,
                                                    std::span<const TokenId> history,
                                                    bool has_bans) {
  ROTOR_TRY(has_bans ? check_banned(logits, params_.logit_bias) : check_finite(logits));
  if (changes_nothing()) {
    return logits;
  }
  if (logits.size() != vocab_) {
    return internal_error("sampling: " + std::to_string(logits.size()) + " logits for " +
                          std::to_string(vocab_) + " tokens");
  }
  row_.assign(logits.begin(), logits.end());
  ROTOR_TRY(change(history, row_.size(),
                   [this](TokenId token) -> float& { return row_[static_cast<size_t>(token)]; }));
  return std::span<const float>(row_);
}

Result<std::span<const TokenLogit>> LogitAdjuster::apply(std::span<const TokenLogit> logits,
                                                         std::span<const TokenId> history) {
  for (const auto& [logit, token] : logits) {
    if (!std::isfinite(logit)) {
      return not_finite("the logit", static_cast<size_t>(token), logit);
    }
  }
  if (changes_nothing()) {
    return logits;
  }
  some_.assign(logits.begin(), logits.end());
  ROTOR_TRY(change(history, some_.size(), [this](TokenId token) -> float& {
    const auto found = std::lower_bound(
        some_.begin(), some_.end(), token,
        [](const TokenLogit& entry, TokenId wanted) { return entry.token < wanted; });
    return found->logit;
  }));
  return std::span<const TokenLogit>(some_);
}

void LogitAdjuster::changes(std::span<const TokenId> history, std::vector<TokenId>& tokens) const {
  tokens.clear();
  for (const LogitBias& entry : params_.logit_bias) {
    tokens.push_back(entry.token);
  }
  const auto penalized = seen(history);
  tokens.insert(tokens.end(), penalized.begin(), penalized.end());
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
}

// What the penalties look at.
std::span<const TokenId> LogitAdjuster::seen(std::span<const TokenId> history) const {
  if (counts_.empty()) {
    return {};
  }
  const size_t window =
      params_.repeat_last_n < 0 ? history.size() : static_cast<size_t>(params_.repeat_last_n);
  return history.last(std::min(window, history.size()));
}

// Changes logits, of which there are `size`; logit_of(token) is a reference to one.
template <typename LogitOf>
Status LogitAdjuster::change(std::span<const TokenId> history, size_t size,
                             const LogitOf& logit_of) {
  ROTOR_TRY(add_biases(size, logit_of));
  return penalize(history, logit_of);
}

template <typename LogitOf>
Status LogitAdjuster::add_biases(size_t size, const LogitOf& logit_of) {
  size_t banned = 0;
  for (const auto& [token, bias] : params_.logit_bias) {
    float& logit = logit_of(token);
    banned += bias == -INFINITY;
    if (logit == -INFINITY) {
      continue;  // banned before
    }
    logit += bias;
    if (bias != -INFINITY && !std::isfinite(logit)) {
      return not_finite("the biased logit", static_cast<size_t>(token), logit);
    }
  }
  if (banned == size) {
    return invalid_argument("logit_bias bans every token");
  }
  return Status();
}

template <typename LogitOf>
Status LogitAdjuster::penalize(std::span<const TokenId> history, const LogitOf& logit_of) {
  const std::span<const TokenId> tokens = seen(history);
  for (const TokenId token : tokens) {
    if (static_cast<size_t>(token) >= vocab_) {
      return invalid_argument("token " + std::to_string(token) +
                              " is not below the vocabulary of " + std::to_string(vocab_));
    }
  }
  for (const TokenId token : tokens) {
    ++counts_[static_cast<size_t>(token)];
  }
  Status status;
  for (const TokenId token : tokens) {
    const uint32_t count = std::exchange(counts_[static_cast<size_t>(token)], 0);
    if (count == 0) {
      continue;  // done at its first occurrence
    }
    float& logit = logit_of(token);
    if (logit == -INFINITY) {
      continue;  // banned
    }
    logit = logit > 0 ? logit / params_.repeat_penalty : logit * params_.repeat_penalty;
    logit -= static_cast<float>(count) * params_.frequency_penalty;
    logit -= params_.presence_penalty;
    if (!std::isfinite(logit)) {
      status = not_finite("the penalized logit", static_cast<size_t>(token), logit);
    }
  }
  return status;
}

}  // namespace rotor
