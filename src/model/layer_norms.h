// SPDX-License-Identifier: Apache-2.0
// The norms of a layer: which there are, how long, and where their gains are kept.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace rotor {

// In the order in which they are written.
enum class NormRole : uint8_t { kAttn = 0, kQ, kK, kAttnSub, kPostAttn, kFfn, kFfnSub, kPostFfn };
inline constexpr size_t kNormRoles = 8;

// "attn_norm", "attn_q_norm", ...: in .rotor files, and in GGUF files too.
std::string_view norm_role_name(NormRole role);

struct LayerNorm {
  NormRole role;
  size_t size;
};
// Those that a layer of this model has.
std::vector<LayerNorm> layer_norms(const ModelConfig& config);

// Gains of a layer's norms; empty where the layer has no such norm.
struct LayerNorms {
  std::vector<float> attn_norm;      // (hidden) before q, k and v
  std::vector<float> q_norm;         // (head_dim) each head of q
  std::vector<float> k_norm;         // (head_dim) each head of k
  std::vector<float> attn_sub_norm;  // (heads * head_dim) before the output projection
  std::vector<float> post_attn_norm; // (hidden) of what attention adds
  std::vector<float> ffn_norm;       // (hidden) before gate and up
  std::vector<float> ffn_sub_norm;   // (ffn) before the down projection
  std::vector<float> post_ffn_norm;  // (hidden) of what the feed-forward block adds

  std::vector<float>& norm(NormRole role);
  const std::vector<float>& norm(NormRole role) const;
};

}  // namespace rotor
