// SPDX-License-Identifier: Apache-2.0
// Batches of prompts and steps, taken back where they fail or were drafted in vain.
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
    const auto slice = steps.subspan(done, how_many_fit(steps.subspan(done)));
    batch_.rows.clear();
    for (const Step& step : slice) {
      const size_t first = batch_.rows.size();
      ROTOR_TRY(extend(*step.cache, step.tokens));
      for (size_t j = 0; j < step.tokens.size(); ++j) {
        batch_.rows[first + j].wants_logits = true;
        batch_.rows[first + j].top = step.top.empty() ? nullptr : &step.top[j];
      }
    }
    ROTOR_TRY(run(cancel));
    ROTOR_TRY(use_all(slice, done, use));
    done += slice.size();
  }
  return Status();
}

// Steps at the front that one pass can compute.
size_t Stepper::how_many_fit(std::span<const Step> steps) const {
  size_t count = 0;
  size_t rows = 0;
  while (count < steps.size() && rows + steps[count].tokens.size() <= executor_.max_batch()) {
    rows += steps[count].tokens.size();
    ++count;
  }
  return count;
}

// Has the logits of a pass used; `first` is the index of the first step.
Status Stepper::use_all(std::span<const Step> steps, size_t first, const UseLogits& use) {
  Status status;
  size_t row = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    const size_t count = steps[i].tokens.size();
    size_t used = 0;
    for (bool more = status.ok(); more && used < count; ++used) {
      const Result<bool> wanted = use(first + i, used, executor_.logits(row + used));
      status = wanted.status();
      more = wanted.ok() && *wanted;
    }
    steps[i].cache->truncate(steps[i].cache->length() - (count - used));
    row += count;
  }
  return status;
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
