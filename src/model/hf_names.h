// SPDX-License-Identifier: Apache-2.0
// Tensor names of transformers' BitNet as Rotor writes them.
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include "model/family.h"
#include "model/trace.h"

namespace rotor::hf_names {

inline constexpr const char* kEmbed = "model.embed_tokens.weight";
inline constexpr const char* kHead = "lm_head.weight";
inline constexpr const char* kOutputNorm = "model.norm.weight";
inline constexpr std::array<const char*, kLinearRoles> kLinears = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

// "model.layers.3.mlp.up_proj", to which ".weight" and ".weight_scale" are added.
inline std::string linear(size_t layer, LinearRole role) {
  return "model.layers." + std::to_string(layer) + "." + kLinears[static_cast<size_t>(role)];
}

inline std::string layer_norm(size_t layer, NormRole role) {
  const NormNames& names = find_hf_family("bitnet", "")->hf_norms;
  return "model.layers." + std::to_string(layer) + "." +
         std::string(names[static_cast<size_t>(role)]) + ".weight";
}

}  // namespace rotor::hf_names
