// SPDX-License-Identifier: Apache-2.0
// LogitAdjuster: the part of SamplingParams that changes logits before anything is filtered:
// biases, then the penalties on tokens seen. Sampling and beam search share it.
#pragma once

#include <rotor/sampling.h>
#include <rotor/token.h>

#include <cstdint>
#include <span>
#include <vector>

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
  Result<std::span<const float>> apply(std::span<const float> logits,
                                       std::span<const TokenId> history);

 private:
  Status add_biases();
  Status penalize(std::span<const TokenId> history);

  SamplingParams params_;
  std::vector<float> row_;        // (vocab), or empty when nothing is ever changed
  std::vector<uint32_t> counts_;  // (vocab) zeros between calls, or empty without penalties
};

}  // namespace rotor
