// SPDX-License-Identifier: Apache-2.0
// LogitAdjuster: the part of SamplingParams that changes logits before anything is filtered:
// biases, then the penalties on tokens seen. Sampling and beam search share it.
#pragma once

#include <rotor/sampling.h>
#include <rotor/token.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/top_logits.h"

namespace rotor {

// Scratch memory makes it serve one thread at a time.
class LogitAdjuster {
 public:
  // REQUIRES: validate(params, vocab).ok().
  LogitAdjuster(const SamplingParams& params, size_t vocab);

  // The logits (vocab) to choose from after `history`: `logits` itself when nothing changes them,
  // else a copy that is valid until the next call. kNotFinite, naming the token, when a logit is
  // not finite or becomes so; only a ban gives -infinity. kInvalidArgument when every token is
  // banned or a token of `history` that the penalties look at is not below vocab.
  // has_bans: logits may be -infinity already.
  Result<std::span<const float>> apply(std::span<const float> logits,
                                       std::span<const TokenId> history, bool has_bans = false);

  // The same for some tokens by ascending id, the ones of changes(history) among them and at least
  // one other, if there is one.
  Result<std::span<const TokenLogit>> apply(std::span<const TokenLogit> logits,
                                            std::span<const TokenId> history);

  // `tokens` = those whose logits may change after `history`, ascending, each once.
  void changes(std::span<const TokenId> history, std::vector<TokenId>& tokens) const;

 private:
  template <typename LogitOf>
  Status add_biases(size_t size, const LogitOf& logit_of);
  template <typename LogitOf>
  Status penalize(std::span<const TokenId> history, const LogitOf& logit_of);
  template <typename LogitOf>
  Status change(std::span<const TokenId> history, size_t size, const LogitOf& logit_of);
  bool changes_nothing() const { return counts_.empty() && params_.logit_bias.empty(); }
  std::span<const TokenId> seen(std::span<const TokenId> history) const;

  SamplingParams params_;
  size_t vocab_;
  std::vector<float> row_;        // (vocab) where all logits are changed
  std::vector<TokenLogit> some_;  // where some are
  std::vector<uint32_t> counts_;  // (vocab) zeros between calls, or empty without penalties
};

}  // namespace rotor
