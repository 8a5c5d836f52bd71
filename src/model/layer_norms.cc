// SPDX-License-Identifier: Apache-2.0
#include "model/layer_norms.h"

namespace rotor {
namespace {

struct Role {
  std::string_view name;
  std::vector<float> LayerNorms::*gains;
};
constexpr std::array<Role, kNormRoles> kRoles = {{{"attn_norm", &LayerNorms::attn_norm},
                                                  {"attn_q_norm", &LayerNorms::q_norm},
                                                  {"attn_k_norm", &LayerNorms::k_norm},
                                                  {"attn_sub_norm", &LayerNorms::attn_sub_norm},
                                                  {"post_attention_norm", &LayerNorms::post_attn_norm},
                                                  {"ffn_norm", &LayerNorms::ffn_norm},
                                                  {"ffn_sub_norm", &LayerNorms::ffn_sub_norm},
                                                  {"post_ffw_norm", &LayerNorms::post_ffn_norm}}};

}  // namespace

std::string_view norm_role_name(NormRole role) { return kRoles[static_cast<size_t>(role)].name; }

std::vector<LayerNorm> layer_norms(const ModelConfig& c) {
  std::vector<LayerNorm> norms = {{NormRole::kAttn, c.hidden}};
  if (c.qk_norm) {
    norms.push_back({NormRole::kQ, c.head_dim});
    norms.push_back({NormRole::kK, c.head_dim});
  }
  if (c.attn_sub_norm) {
    norms.push_back({NormRole::kAttnSub, c.q_rows()});
  }
  if (c.post_norms) {
    norms.push_back({NormRole::kPostAttn, c.hidden});
  }
  norms.push_back({NormRole::kFfn, c.hidden});
  if (c.ffn_sub_norm) {
    norms.push_back({NormRole::kFfnSub, c.ffn});
  }
  if (c.post_norms) {
    norms.push_back({NormRole::kPostFfn, c.hidden});
  }
  return norms;
}

std::vector<float>& LayerNorms::norm(NormRole role) {
  return this->*kRoles[static_cast<size_t>(role)].gains;
}

const std::vector<float>& LayerNorms::norm(NormRole role) const {
  return this->*kRoles[static_cast<size_t>(role)].gains;
}

}  // namespace rotor
