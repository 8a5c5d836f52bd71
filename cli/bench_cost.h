// SPDX-License-Identifier: Apache-2.0
// What a test of rotor bench cannot do without: the bytes it reads and the products it computes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bench_plan.h"
#include "model/model.h"
#include "model/verb_times.h"

namespace rotor::cli {

// The memory that every pass reads: all ternary matrices and the head, or its coarse form.
std::vector<std::span<const std::byte>> weight_memory(const Model& model);

// Bytes of weights, and of everything else that stays in memory.
double weight_bytes(const Model& model);

// How a test is cut into passes, and what its cache holds.
struct BenchSetting {
  const Model& model;
  KvType kv = KvType::kF16;
  size_t pass_rows = 1;  // of a prompt
};

// Bytes of keys and values that a position has.
double position_bytes(const BenchSetting& setting);

// What a row of logits reads beside the codes of the head's coarse form, on average.
struct HeadReads {
  double rows = 0;   // of the head
  double rests = 0;  // of the coarse form: rows of them
};

// Bytes of weights, head and cache that one repetition reads at least: each once a pass.
double test_bytes(const BenchSetting& setting, const BenchTest& test, const HeadReads& reads);

// The same for one verb, in the mean over the passes of a prompt or of a generation.
// REQUIRES: the test is one of the two.
double verb_bytes(const BenchSetting& setting, const BenchTest& test, Verb verb,
                  const HeadReads& reads);

// Multiplications and additions in the ternary matrices, 2 for each weight and token.
double test_operations(const ModelConfig& config, const BenchTest& test);

}  // namespace rotor::cli
