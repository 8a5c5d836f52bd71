// SPDX-License-Identifier: Apache-2.0
// How much memory a model takes when it runs, by part, before it is loaded.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>

#include "model/kv_cache.h"
#include "model/model_source.h"

namespace rotor {

struct MemoryPlan {
  uint64_t ternary_bytes = 0;     // matrices of the layers in the layout of the CPU device, their scales
  uint64_t embedding_bytes = 0;   // embedding and head, or the coarse form of a head in two stages
  uint64_t norm_bytes = 0;
  uint64_t expert_bytes = 0;      // of ternary_bytes, those of experts
  uint64_t router_bytes = 0;      // what chooses experts
  uint64_t kv_bytes_per_position = 0;

  uint64_t total(uint64_t positions) const {
    return ternary_bytes + embedding_bytes + norm_bytes + router_bytes + kv_bytes_per_position * positions;
  }
};

// kOutOfMemory where the model at `path`, or a cache of `positions` beside it, needs more than `limit`
// bytes; the message has the numbers.
Status check_memory(const std::string& path, const MemoryPlan& plan, uint64_t positions,
                    uint64_t limit);

// Of the matrices, and of what chooses among them, the bytes that a pass of one row reads.
uint64_t matrix_bytes_of_token(const MemoryPlan& plan, const ModelConfig& config);

MemoryPlan plan_memory(const ModelSource& source, TernaryFormat format, KvType kv,
                       HeadMode head = HeadMode::kAuto);

}  // namespace rotor
