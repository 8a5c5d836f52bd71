// SPDX-License-Identifier: Apache-2.0
#include "model/layer_norms.h"

#include <gtest/gtest.h>

#include <set>

#include "model/test_model.h"

namespace rotor {
namespace {

TEST(LayerNorms, EveryRoleHasANameAndGainsOfItsOwn) {
  std::set<std::string_view> names;
  LayerNorms norms;
  for (size_t i = 0; i < kNormRoles; ++i) {
    const NormRole role = static_cast<NormRole>(i);
    names.insert(norm_role_name(role));
    norms.norm(role).assign(i + 1, 0.0f);
  }
  EXPECT_EQ(names.size(), kNormRoles);
  for (size_t i = 0; i < kNormRoles; ++i) {
    EXPECT_EQ(norms.norm(static_cast<NormRole>(i)).size(), i + 1);
  }
  EXPECT_EQ(norms.attn_norm.size(), 1u);
}

TEST(LayerNorms, AreThoseOfTheFlags) {
  ModelConfig c = test_config();
  c.attn_sub_norm = false;
  c.ffn_sub_norm = false;
  const auto list = [&] {
    std::string text;
    for (const LayerNorm& norm : layer_norms(c)) {
      text += std::string(norm_role_name(norm.role)) + " " + std::to_string(norm.size) + " ";
    }
    return text;
  };
  EXPECT_EQ(list(), "attn_norm 40 ffn_norm 40 ");
  c.attn_sub_norm = true;
  EXPECT_EQ(list(), "attn_norm 40 attn_sub_norm 48 ffn_norm 40 ");
  c.ffn_sub_norm = true;
  EXPECT_EQ(list(), "attn_norm 40 attn_sub_norm 48 ffn_norm 40 ffn_sub_norm 56 ");
  c.qk_norm = true;
  EXPECT_EQ(list(), "attn_norm 40 attn_q_norm 12 attn_k_norm 12 attn_sub_norm 48 ffn_norm 40 "
                    "ffn_sub_norm 56 ");
  c.attn_sub_norm = c.ffn_sub_norm = c.qk_norm = false;
  c.post_norms = true;
  EXPECT_EQ(list(), "attn_norm 40 post_attention_norm 40 ffn_norm 40 post_ffw_norm 40 ");
}

}  // namespace
}  // namespace rotor
