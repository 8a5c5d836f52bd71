// SPDX-License-Identifier: Apache-2.0
// adapter_config.json of a low-rank adapter, as PEFT writes it (docs/lora.md).
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rotor {

inline constexpr size_t kMaxLoraRank = 4096;

struct LoraConfig {
  size_t rank = 8;               // 1 .. kMaxLoraRank
  double alpha = 8.0;
  bool rank_stabilized = false;  // use_rslora: divided by sqrt(rank), not by rank
  // Of single matrices, by the end of their path; the first that fits counts.
  std::vector<std::pair<std::string, size_t>> ranks;
  std::vector<std::pair<std::string, double>> alphas;

  // `path`: "model.layers.3.mlp.up_proj".
  size_t rank_of(std::string_view path) const;
  // What multiplies B(A x).
  double scaling_of(std::string_view path) const;
};

// `name` is the file's in messages. kFormatError; kUnsupported names the field for what changes the
// formula y = W x + B(A x) scaling (DoRA, biases, modules saved whole, ...).
Result<LoraConfig> parse_lora_config(std::string_view json, const std::string& name);

}  // namespace rotor
