// SPDX-License-Identifier: Apache-2.0
// The models of rotor bench: opened, held against the memory there is, loaded.
#pragma once

#include <rotor/status.h>

#include <memory>
#include <string>
#include <vector>

#include "bench_plan.h"
#include "bench_report.h"
#include "model/memory_plan.h"
#include "model/model.h"
#include "model/model_source.h"

namespace rotor::cli {

// Paths and "synthetic:NAME", in the order given; without any, the model that ships. kNotFound.
Result<std::vector<std::string>> bench_models(const BenchOptions& options);

// "2.41B", "10.7M".
std::string parameter_count(uint64_t parameters);

// The largest of those named.
KvType widest_kv(const std::vector<std::string>& names);

// The head as `mode` keeps it: "two-stage" or "full".
const char* head_name(const ModelSource& source, HeadMode mode);

struct BenchLoad {
  std::shared_ptr<const Model> model;
  BenchModel about;
};

// Loads `path` with the head kept as `head` says. kOutOfMemory, before anything large is taken, where
// the model and a cache of `positions` need more than is free.
Result<BenchLoad> load_for_bench(const BenchOptions& options, const std::string& path,
                                 const std::string& head, size_t positions);

}  // namespace rotor::cli
