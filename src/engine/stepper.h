// SPDX-License-Identifier: Apache-2.0
// Stepper: feeds sequences to an Executor: a prompt in chunks, then a token or several at a
// time for many sequences at once. A failed call leaves every cache as long as what was computed.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <functional>
#include <span>

#include "base/progress.h"
#include "model/executor.h"

namespace rotor {

// The next tokens of one sequence: the one that was drawn and, perhaps, a draft of those to come.
struct Step {
  KvSequence* cache;
  std::span<const TokenId> tokens;     // at least one, at most max_batch()
  std::span<const TopQuery> top = {};  // not empty: one a token; these logits suffice
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

  // Appends the tokens of each step to its sequence and calls `use(i, j, logits)` with the logits after
  // token j of step i, step by step, from j = 0 for as long as it answers true. Tokens whose logits
  // were not used are forgotten again. Sequences are distinct. A pass computes as many whole steps as
  // fit; ends with the first failure, of a pass or of `use`.
  using UseLogits = std::function<Result<bool>(size_t i, size_t j, const RowLogits& logits)>;
  Status step(std::span<const Step> steps, const CancelFlag* cancel, const UseLogits& use);

  size_t max_batch() const { return executor_.max_batch(); }
  size_t free_pages() const { return executor_.kv_pool().free_pages(); }

 private:
  Status extend(KvSequence& cache, std::span<const TokenId> tokens);
  size_t how_many_fit(std::span<const Step> steps) const;
  Status run(const CancelFlag* cancel);
  Status use_all(std::span<const Step> steps, size_t first, const UseLogits& use);
  void take_back();

  Executor& executor_;
  Batch batch_;
};

}  // namespace rotor
