// SPDX-License-Identifier: Apache-2.0
// Batch: the rows one forward pass computes. Prefill chunks, decode steps of several sequences,
// parallel samples and beams mix freely; a row's result does not depend on the others.
#pragma once

#include <rotor/token.h>

#include <cstddef>
#include <vector>

#include "model/kv_cache.h"
#include "model/top_logits.h"

namespace rotor {

// One token of one sequence. Rows of the same sequence stand in order of position, and
// `position` < sequence->length(): the sequence was extended before.
struct BatchRow {
  KvSequence* sequence;
  size_t position;
  TokenId token;
  bool wants_logits;
  // Not null: these logits suffice. Read until forward() returns.
  const TopQuery* top = nullptr;
  // With wants_logits: Executor::hidden() suffices, the head is not computed.
  bool hidden_alone = false;
};

struct Batch {
  std::vector<BatchRow> rows;
};

}  // namespace rotor
