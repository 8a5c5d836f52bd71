// SPDX-License-Identifier: Apache-2.0
// The `config` tensor of a .rotor file: JSON text with the sizes, flags and end tokens of the model.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "model/model_source.h"

namespace rotor {

inline constexpr size_t kMaxRotorConfigBytes = size_t{1} << 20;

// What `config` holds beside ModelConfig.
struct RotorConfig {
  ModelConfig model;
  FloatType embed_type = FloatType::kBf16;
  FloatType head_type = FloatType::kBf16;
  std::vector<TokenId> end_of_generation;
  GenerationDefaults generation_defaults;
  std::vector<std::string> notes;
};

// The text may exceed kMaxRotorConfigBytes, which no reader takes.
std::string write_rotor_config(const RotorConfig& config);
// kFormatError names field, expected and got; `name` is the file's path.
Result<RotorConfig> parse_rotor_config(std::string_view json, const std::string& name);

std::string_view float_type_name(FloatType type);  // "bf16", "q6_k", ...

}  // namespace rotor
