// SPDX-License-Identifier: Apache-2.0
// Sampler: chooses the next token. The choice is a function of the parameters, the logits, the
// tokens before and the sample index alone; there is no state to carry, rewind or share.
// docs/sampling.md.
#pragma once

#include <rotor/sampling.h>
#include <rotor/token.h>

#include <cstdint>
#include <span>

#include "engine/candidates.h"
#include "engine/logit_adjust.h"
#include "model/top_logits.h"

namespace rotor {

// Whether a few of a row's logits are enough to draw from, whatever the row.
bool draws_from_few(const SamplingParams& params);

// Serves any number of sequences, one thread at a time (it owns scratch memory).
class Sampler {
 public:
  // kInvalidArgument from validate(params, vocab).
  static Result<Sampler> create(const SamplingParams& params, size_t vocab);

  // Whether a few logits are enough to draw the token that follows `history` in the `sample`-th
  // answer, and which: `query` gets them. A query with a draw serves that sample alone.
  bool query(std::span<const TokenId> history, uint32_t sample, TopQuery& query) const;

  // The token that follows `history` (prompt and answer so far) in the `sample`-th answer, given
  // its logits: all, or those of query(). Fails as LogitAdjuster::apply does. has_bans: some of all
  // logits may be -infinity.
  Result<TokenId> draw(const RowLogits& logits, std::span<const TokenId> history, uint32_t sample,
                       bool has_bans = false);

 private:
  Sampler(const SamplingParams& params, size_t vocab) : params_(params), adjust_(params, vocab) {}
  void filter();

  SamplingParams params_;
  LogitAdjuster adjust_;
  Candidates candidates_;
};

}  // namespace rotor
