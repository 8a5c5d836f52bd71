// SPDX-License-Identifier: Apache-2.0
// Tensor names of GGUF files, in one place for the reader and the writer.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "model/layer_norms.h"
#include "model/trace.h"

namespace rotor::gguf_names {

inline constexpr const char* kEmbed = "token_embd.weight";
inline constexpr const char* kHead = "output.weight";
inline constexpr const char* kOutputNorm = "output_norm.weight";
inline constexpr const char* kRotaryDivisors = "rope_freqs.weight";
inline constexpr const char* kShortDivisors = "rope_factors_short.weight";  // of longrope
inline constexpr const char* kLongDivisors = "rope_factors_long.weight";
inline constexpr const char* kLayers = "blk.";
inline constexpr std::array<const char*, kLinearRoles> kLinears = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

// "blk.3.ffn_up", to which ".weight" and ".scale" are added; of all experts "blk.3.ffn_up_exps".
inline std::string linear(size_t layer, LinearRole role, bool experts = false) {
  return kLayers + std::to_string(layer) + "." + kLinears[static_cast<size_t>(role)] +
         (experts && is_feed_forward(role) ? "_exps" : "");
}
// "blk.3.ffn_gate_inp.weight", which chooses among the experts.
inline std::string router(size_t layer) { return kLayers + std::to_string(layer) + ".ffn_gate_inp.weight"; }
// "blk.3.ffn_up_norm_in.weight"
inline std::string input_norm(size_t layer, LinearRole role) {
  return linear(layer, role) + "_norm_in.weight";
}
// "blk.3.attn_norm.weight"
inline std::string layer_norm(size_t layer, NormRole role) {
  return kLayers + std::to_string(layer) + "." + std::string(norm_role_name(role)) + ".weight";
}

}  // namespace rotor::gguf_names
