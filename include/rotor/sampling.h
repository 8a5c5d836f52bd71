// SPDX-License-Identifier: Apache-2.0
// SamplingParams: how a token is chosen from a model's logits. Plain values; the order in which
// they act and the rule of the draw are in docs/sampling.md. Fields carry the names of the
// command-line options.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rotor {

// Added to the logit of one token; minus infinity bans it.
struct LogitBias {
  TokenId token;
  float bias;  // finite or -infinity
};

struct SamplingParams {
  // Divides the logits before the draw; finite, >= 0. 0: greedy, the most likely token always.
  float temperature = 0.8f;
  // Keeps the k most likely tokens; >= 0. 0: all.
  int32_t top_k = 40;
  // Keeps the most likely tokens that together reach this probability; [0, 1]. 1: all.
  float top_p = 0.95f;
  // Keeps tokens at least this times as likely as the most likely one; [0, 1]. 0: all.
  float min_p = 0.05f;
  // Keeps the tokens whose information is nearest to the entropy until they reach this probability
  // (Meister et al. 2023, "Locally typical sampling"); [0, 1]. 1: all.
  float typical_p = 1.0f;

  // The penalties look at the last `repeat_last_n` tokens, prompt included; >= -1. -1: all of them,
  // 0: no penalties.
  int32_t repeat_last_n = 64;
  // Divides positive and multiplies negative logits of tokens seen; finite, > 0. 1: none.
  float repeat_penalty = 1.0f;
  // Subtracted from the logit of a token seen at all; finite. 0: none.
  float presence_penalty = 0.0f;
  // Subtracted from the logit of a token once for each time it was seen; finite. 0: none.
  float frequency_penalty = 0.0f;

  // At most one entry a token.
  std::vector<LogitBias> logit_bias;

  // The same seed draws the same tokens, whatever the threads, batch or machine.
  uint64_t seed = 0;

  bool penalizes() const {
    return repeat_last_n != 0 &&
           (repeat_penalty != 1.0f || presence_penalty != 0.0f || frequency_penalty != 0.0f);
  }
};

// kInvalidArgument, naming the field, its value and its range, for what the comments above exclude
// (NaN always) and for a biased token that is not below `vocab`.
Status validate(const SamplingParams& params, size_t vocab);

}  // namespace rotor
