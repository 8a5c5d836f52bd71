// SPDX-License-Identifier: Apache-2.0
// Log-likelihoods of several continuations of one context, the context computed once.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "model/executor.h"

namespace rotor {

struct Continuations {
  std::vector<TokenId> context;                 // at least one token
  std::vector<std::vector<TokenId>> texts;      // at least one token each
};

struct Likelihood {
  double log_likelihood = 0;  // sum of ln(probability) of the tokens, in their order
  bool greedy = true;         // whether each was the likeliest
};

// Sees the continuations of one item; its error ends the work.
using LikelihoodCallback = std::function<Status(size_t item, std::span<const Likelihood>)>;

// Computes items in order, as many at once as batches and pages hold. Results do not depend on that:
// they are the sums over the rows that the logits of context and continuation have.
//
// Errors: kInvalidArgument for an empty context or continuation or tokens of `vocab` and beyond;
// kCancelled; kNotFinite; kOutOfPages where one continuation with its context has no room; of the
// executor; of `done`. `progress` counts items.
Status score_continuations(Executor& executor, size_t vocab, std::span<const Continuations> items,
                           const LikelihoodCallback& done, const ProgressCallback& progress = {},
                           const CancelFlag* cancel = nullptr);

}  // namespace rotor
