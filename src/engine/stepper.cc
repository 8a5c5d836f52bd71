// SPDX-License-Identifier: Apache-2.0
// Batches of prompts and steps, taken back where they fail.
#include "engine/stepper.h"

#include <algorithm>

namespace rotor {

Result<RowLogits> Stepper::prefill(KvSequence& cache, std::span<const TokenId> tokens,
                                   const CancelFlag* cancel, const TopQuery* top) {
  while (!tokens.empty()) {
    const size_t count = std::min(tokens.size(), executor_.max_batch());
    batch_.rows.clear();
    ROTOR_TRY(extend(cache, tokens.first(count)));
    batch_.rows.back().wants_logits = count == tokens.size();
    batch_.rows.back().top = top;
    ROTOR_TRY(run(cancel));
    tokens = tokens.subspan(count);
  }
  return executor_.logits(0);
}

Status Stepper::step(std::span<const Step> steps, const CancelFlag* cancel, const UseLogits& use) {
  for (size_t done = 0; done < steps.size();) {
    const auto slice = steps.subspan(done, std::min(steps.size() - done, executor_.max_batch()));
    batch_.rows.clear();
    for (const Step& step : slice) {
      ROTOR_TRY(extend(*step.cache, {&step.token, 1}));
      batch_.rows.back().wants_logits = true;
      batch_.rows.back().top = step.top;
    }
    ROTOR_TRY(run(cancel));
    for (size_t i = 0; i < slice.size(); ++i) {
      ROTOR_TRY(use(done + i, executor_.logits(i)));
    }
    done += slice.size();
  }
  return Status();
}

Status Stepper::verify(KvSequence& cache, std::span<const TokenId> tokens,
                       std::span<const TopQuery> top, const CancelFlag* cancel,
                       const UseEach& use) {
  const size_t start = cache.length();
  batch_.rows.clear();
  ROTOR_TRY(extend(cache, tokens));
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch_.rows[i].wants_logits = true;
    batch_.rows[i].top = top.empty() ? nullptr : &top[i];
  }
  ROTOR_TRY(run(cancel));
  Result<bool> more = true;
  size_t used = 0;
  while (used < tokens.size() && more.ok() && *more) {
    more = use(used, executor_.logits(used));
    ++used;
  }
  cache.truncate(start + used);
  return more.status();
}

// Makes room for `tokens` and adds their rows to the batch, none of which wants logits.
Status Stepper::extend(KvSequence& cache, std::span<const TokenId> tokens) {
  const size_t start = cache.length();
  Status status = cache.extend(tokens.size());
  if (!status.ok()) {
    take_back();
    return status;
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch_.rows.push_back({&cache, start + i, tokens[i], false});
  }
  return Status();
}

Status Stepper::run(const CancelFlag* cancel) {
  Status status;
  if (cancel != nullptr && cancel->cancelled()) {
    status = Status(Code::kCancelled, "cancelled");
  } else {
    status = executor_.forward(batch_, cancel);
  }
  if (!status.ok()) {
    take_back();
  }
  return status;
}

// Forgets the positions of the batch's rows.
void Stepper::take_back() {
  for (const BatchRow& row : batch_.rows) {
    row.sequence->truncate(row.position);
  }
}

}  // namespace rotor
