// SPDX-License-Identifier: Apache-2.0
// From an opened file to a loaded Model: repacks every matrix in parallel into the layout asked for.
#pragma once

#include <rotor/status.h>

#include <memory>
#include <optional>
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

// How the scales of a matrix lie behind its trits; none where they stay apart. Scales of groups are as the
// file has them; where activations stay floats, the scale of a row, or of all, is that of a group as long
// as the row.
std::optional<GroupShape> packed_scales(const ModelConfig& config, const LinearSource& linear);

// What a matrix takes in memory in `format`, in whole cache lines.
uint64_t matrix_bytes(const ModelConfig& config, const LinearSource& linear, TernaryFormat format);

// Reads everything into memory but, where the head is kept in two stages, the rows of embedding and
// head: those are read from the file, which stays open, as they are needed. kInvalidArgument for a
// layout other than i2 where the model needs that. Uses the whole pool.
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
