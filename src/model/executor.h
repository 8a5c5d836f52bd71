// SPDX-License-Identifier: Apache-2.0
// Executor: what a device offers to the engine. One thread drives it at a time.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <span>

#include "base/progress.h"
#include "model/batch.h"
#include "model/trace.h"
#include "model/verb_times.h"

namespace rotor {

class Executor {
 public:
  virtual ~Executor() = default;

  // Rows forward() takes at most.
  virtual size_t max_batch() const = 0;
  // The pages sequences for this executor are made of.
  virtual KvPool& kv_pool() = 0;

  // Computes all rows: stores their keys and values and the logits of the rows that want them.
  // kCancelled when `cancel` was set (checked once a layer; the cache rows written are then
  // unspecified and the caller truncates), kNotFinite, naming layer and row, when an activation
  // became infinite or NaN. `cancel` may be null.
  virtual Status forward(const Batch& batch, const CancelFlag* cancel) = 0;

  // Logits of the i-th row that wanted them in the last forward(); none where hidden_alone was set. Valid
  // until the next.
  virtual RowLogits logits(size_t i) = 0;

  // The normed activations that the head would multiply, of the i-th row that wanted logits in the last
  // forward(): what an embedding model gives. (hidden), valid until the next.
  virtual std::span<const float> hidden(size_t i) {
    (void)i;
    return {};
  }

  // Zeros where every logit is computed.
  virtual TwoStageCounts head_counts() const { return {}; }

  // Zeros unless the executor was made to measure.
  virtual VerbTimes verb_times() const { return {}; }

  // Calls `hook` inside forward() from then on; null ends that.
  virtual void set_trace(TraceHook* hook) = 0;
};

}  // namespace rotor
