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
  const TopQuery* top = nullptr;  // not null: these logits suffice
};

// One per thread that drives the executor; keeps the memory of its batches.
class Stepper {
 public:
  // REQUIRES: the executor outlives the object.
  explicit Stepper(Executor& executor) : executor_(executor) {}

  // Appends `tokens`, at least one, to `cache`. Returns the logits of the last, all unless `top` is
  // given; valid until the next call. On failure the chunks that were computed stay in the cache.
  Result<RowLogits> prefill(KvSequence& cache, std::span<const TokenId> tokens,
                            const CancelFlag* cancel, const TopQuery* top = nullptr);

  // Appends one token to each sequence and calls `use(i, logits)` for each in order. Sequences are
  // distinct. Ends with the first failure, of a pass or of `use`.
  using UseLogits = std::function<Status(size_t i, const RowLogits& logits)>;
  Status step(std::span<const Step> steps, const CancelFlag* cancel, const UseLogits& use);

  // Appends `tokens`, 1 .. max_batch(), to `cache` and calls `use(i, logits)` with the logits after each
  // in order, all unless `top` has a query for each, for as long as it answers true. Tokens whose
  // logits were not used are forgotten again; all are when the pass fails.
  using UseEach = std::function<Result<bool>(size_t i, const RowLogits& logits)>;
  Status verify(KvSequence& cache, std::span<const TokenId> tokens, std::span<const TopQuery> top,
                const CancelFlag* cancel, const UseEach& use);

  size_t max_batch() const { return executor_.max_batch(); }

 private:
  Status extend(KvSequence& cache, std::span<const TokenId> tokens);
  Status run(const CancelFlag* cancel);
  void take_back();

  Executor& executor_;
  Batch batch_;
};

}  // namespace rotor
