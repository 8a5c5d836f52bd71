// SPDX-License-Identifier: Apache-2.0
// Tensor names of GGUF files as Rotor writes them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "model/trace.h"

namespace rotor::gguf_names {

inline constexpr const char* kEmbed = "token_embd.weight";
inline constexpr const char* kHead = "output.weight";
inline constexpr const char* kOutputNorm = "output_norm.weight";
inline constexpr std::array<const char*, kLinearRoles> kLinears = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

// "blk.3.attn_norm.weight"
inline std::string layer(size_t index, std::string_view name, std::string_view part) {
  return "blk." + std::to_string(index) + "." + std::string(name) + "." + std::string(part);
}
// "blk.3.ffn_up.weight" and "blk.3.ffn_up.scale"
inline std::string linear(size_t index, LinearRole role, std::string_view part) {
  return layer(index, kLinears[static_cast<size_t>(role)], part);
}

}  // namespace rotor::gguf_names
