// SPDX-License-Identifier: Apache-2.0
// A model loaded for this machine: what fits its memory, in the layout it multiplies fastest.
#pragma once

#include <rotor/status.h>

#include <memory>
#include <optional>

#include "base/thread_pool.h"
#include "device/cpu/cpu_executor.h"
#include "model/loader.h"

namespace rotor {

// load_model() with the layout `weights`; nullopt: i2 for a model with scales of groups of columns, else
// cpu_format(), for the level of `executor`. kOutOfMemory,
// before anything large is taken, where the model and the executor's cache need more than the control
// group of this process allows. Uses the whole pool.
Result<std::shared_ptr<const Model>> load_for_cpu(ModelSource source, LoadOptions load,
                                                  std::optional<TernaryFormat> weights,
                                                  const CpuExecutorOptions& executor,
                                                  ThreadPool& pool);

}  // namespace rotor
