// SPDX-License-Identifier: Apache-2.0
// The CPU device: an Executor over the kernel table and a thread pool of its own.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <memory>

#include "base/cpu_features.h"
#include "base/thread_pool.h"
#include "model/executor.h"
#include "model/model.h"

namespace rotor {

struct CpuExecutorOptions {
  size_t threads = 0;            // 0: default_thread_count()
  size_t max_batch = 128;        // rows of one pass
  size_t kv_positions = 0;       // cache size in positions, rounded up to pages; 0: the context
  size_t kv_sequences = 1;       // sequences that may hold `kv_positions` each at once
  KvType kv_type = KvType::kF16;
  IsaLevel isa = IsaLevel::kScalar;
  bool measure = false;          // times every verb (Executor::verb_times)
};

// kOutOfMemory, with both numbers, when the system did not start all of `threads`. To be asked before
// what needs memory: such a team has taken nearly all there is.
Status check_threads(const ThreadPool& pool, size_t threads);

// kUnsupported when the model needs something this device does not compute. `model` is shared and
// outlives nothing: the executor keeps it alive.
Result<std::unique_ptr<Executor>> make_cpu_executor(std::shared_ptr<const Model> model,
                                                    const CpuExecutorOptions& options);

}  // namespace rotor
