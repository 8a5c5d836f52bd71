// SPDX-License-Identifier: Apache-2.0
// Tensor names of transformers, in one place for the reader and the writer. All but the head's follow
// a prefix: "model.", or nothing in a model that was saved without its head.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "model/family.h"
#include "model/trace.h"

namespace rotor::hf_names {

inline constexpr std::string_view kPrefix = "model.";
inline constexpr const char* kOutputNorm = "norm.weight";
inline constexpr const char* kHead = "lm_head.weight";
inline constexpr const char* kLayers = "layers.";
inline constexpr std::array<const char*, kLinearRoles> kLinears = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
// What follows the name of a matrix that has a norm of its own, as transformers names it.
inline constexpr const char* kInputNorm = ".rms_norm.weight";

// "embed_tokens.weight"
inline std::string embed(const Family& family) { return std::string(family.hf_embed) + ".weight"; }
// "layers.3.mlp.up_proj", to which ".weight", ".weight_scale" and kInputNorm are added.
inline std::string linear(size_t layer, LinearRole role) {
  return kLayers + std::to_string(layer) + "." + kLinears[static_cast<size_t>(role)];
}
// "layers.3.mlp.experts.7.up_proj"
inline std::string expert(size_t layer, LinearRole role, size_t index) {
  constexpr std::string_view kMlp = "mlp.";
  return kLayers + std::to_string(layer) + ".mlp.experts." + std::to_string(index) + "." +
         (kLinears[static_cast<size_t>(role)] + kMlp.size());
}
// "layers.3.mlp.gate.weight", which chooses among the experts.
inline std::string router(size_t layer) { return kLayers + std::to_string(layer) + ".mlp.gate.weight"; }
// "layers.3.input_layernorm.weight"
inline std::string layer_norm(const Family& family, size_t layer, NormRole role) {
  return kLayers + std::to_string(layer) + "." +
         std::string(family.hf_norms[static_cast<size_t>(role)]) + ".weight";
}

}  // namespace rotor::hf_names
