// SPDX-License-Identifier: Apache-2.0
// From an opened file to a loaded Model: repacks every matrix in parallel into the layout asked for.
#pragma once

#include <rotor/status.h>

#include <memory>
#include <string>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "model/model.h"
#include "model/model_source.h"
#include "ternary/format.h"

namespace rotor {

struct LoadOptions {
  SourceOptions source;
  TernaryFormat format = TernaryFormat::kI2;  // layout of the weights in memory
  HeadMode head = HeadMode::kAuto;
  ProgressCallback progress;                  // may be empty
};

// Reads everything into memory but, where the head is kept in two stages, the rows of embedding and
// head: those are read from the file, which stays open, as they are needed. kInvalidArgument for scales
// of groups of columns in a layout other than i2. Uses the whole pool.
Result<std::shared_ptr<const Model>> load_model(ModelSource source, const LoadOptions& options,
                                                ThreadPool& pool);

// open_model_source() and load_model() in one step.
Result<std::shared_ptr<const Model>> load_model(const std::string& path, const LoadOptions& options,
                                                ThreadPool& pool);

// Calls work(i) for each i in [0, count) from all members of the pool, in roughly ascending order,
// and returns the failure of the lowest i that failed. `progress` sees `weight(i)` summed up.
Status for_each_task(ThreadPool& pool, size_t count, const std::function<Status(size_t)>& work,
                     const std::function<void(size_t)>& finished);

}  // namespace rotor
