// SPDX-License-Identifier: Apache-2.0
// Stepper: feeds sequences to an Executor: a prompt in chunks, then a token at a time for many
// sequences at once. A failed call leaves every cache as long as what was computed.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <functional>
#include <span>

#include "base/progress.h"
#include "model/executor.h"

namespace rotor {

// The next token of one sequence.
struct Step {
  KvSequence* cache;
  TokenId token;
};

// One per thread that drives the executor; keeps the memory of its batches.
class Stepper {
 public:
  // REQUIRES: the executor outlives the object.
  explicit Stepper(Executor& executor) : executor_(executor) {}

  // Appends `tokens`, at least one, to `cache`. Returns the logits (vocab) of the last; valid until
  // the next call. On failure the chunks that were computed stay in the cache.
  Result<std::span<const float>> prefill(KvSequence& cache, std::span<const TokenId> tokens,
                                         const CancelFlag* cancel);

  // Appends one token to each sequence and calls `use(i, logits)` for each in order. Sequences are
  // distinct. Ends with the first failure, of a pass or of `use`.
  using UseLogits = std::function<Status(size_t i, std::span<const float> logits)>;
  Status step(std::span<const Step> steps, const CancelFlag* cancel, const UseLogits& use);

 private:
  Status extend(KvSequence& cache, std::span<const TokenId> tokens, bool last_wants_logits);
  Status run(const CancelFlag* cancel);
  void take_back();

  Executor& executor_;
  Batch batch_;
};

}  // namespace rotor
