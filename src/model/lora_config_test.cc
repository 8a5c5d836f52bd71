// SPDX-License-Identifier: Apache-2.0
// adapter_config.json: what is read, which pattern counts, and the message of every refusal.
#include "model/lora_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace rotor {
namespace {

using testing::HasSubstr;

Result<LoraConfig> with(const std::string& fields) {
  return parse_lora_config(R"({"peft_type":"LORA")" + (fields.empty() ? "" : "," + fields) + "}",
                           "adapter_config.json");
}

TEST(LoraConfig, AbsentFieldsTakeTheDefaultsOfPeft) {
  const Result<LoraConfig> config = with("");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->rank_of("model.layers.0.mlp.up_proj"), 8u);
  EXPECT_EQ(config->scaling_of("model.layers.0.mlp.up_proj"), 1.0);
}

TEST(LoraConfig, ScalingIsAlphaByTheRankOrByItsRoot) {
  EXPECT_EQ(with(R"("r":4,"lora_alpha":6)")->scaling_of("q_proj"), 1.5);
  EXPECT_EQ(with(R"("r":3,"lora_alpha":7.5,"use_rslora":true)")->scaling_of("q_proj"),
            7.5 / std::sqrt(3.0));
}

TEST(LoraConfig, PatternsAreEndsOfPathsAndTheFirstThatFitsCounts) {
  const Result<LoraConfig> config =
      with(R"("r":4,"lora_alpha":8,"rank_pattern":{"layers.1.mlp.up_proj":2,"up_proj":16},)"
           R"("alpha_pattern":{"q_proj":-3})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->rank_of("model.layers.1.mlp.up_proj"), 2u);
  EXPECT_EQ(config->rank_of("layers.1.mlp.up_proj"), 2u);
  EXPECT_EQ(config->rank_of("model.layers.0.mlp.up_proj"), 16u);
  EXPECT_EQ(config->rank_of("model.layers.11.mlp.down_proj"), 4u);
  EXPECT_EQ(config->rank_of("cup_proj"), 4u) << "part of a name is no name";
  EXPECT_EQ(config->scaling_of("model.layers.1.mlp.up_proj"), 4.0);
  EXPECT_EQ(config->scaling_of("model.layers.1.self_attn.q_proj"), -0.75);
}

TEST(LoraConfig, WhatDoesNotChangeTheFormulaIsTaken) {
  const Result<LoraConfig> config =
      with(R"("bias":"none","use_dora":false,"modules_to_save":null,"layer_replication":[],)"
           R"("trainable_token_indices":{},"init_lora_weights":"gaussian","lora_dropout":0.1,)"
           R"("target_modules":["q_proj"],"eva_config":{"rho":2.0},"peft_version":"9")");
  EXPECT_TRUE(config.ok()) << config.status().message();
}

TEST(LoraConfig, RefusesByName) {
  for (const char* field :
       {R"("use_dora":true)", R"("bias":"all")", R"("lora_bias":true)", R"("fan_in_fan_out":true)",
        R"("modules_to_save":["lm_head"])", R"("layer_replication":[[0,1]])",
        R"("target_parameters":["x"])", R"("trainable_token_indices":{"a":[1]})",
        R"("use_qalora":true)", R"("alora_invocation_tokens":[1])",
        R"("use_bdlora":{"target_modules_bd_a":null})", R"("arrow_config":{"top_k":3})",
        R"("init_lora_weights":"pissa")", R"("init_lora_weights":"loftq")",
        R"("rank_pattern":{"(.*)+x":3})", R"("alpha_pattern":{"":3})"}) {
    const Status status = with(field).status();
    EXPECT_EQ(status.code(), Code::kUnsupported) << field;
    const std::string text(field);
    EXPECT_THAT(status.message(), HasSubstr("adapter_config.json: "));
    EXPECT_THAT(status.message(), HasSubstr(text.substr(1, text.find('"', 1) - 1)));
  }
  const Status other = parse_lora_config(R"({"peft_type":"IA3"})", "name").status();
  EXPECT_EQ(other.code(), Code::kUnsupported);
  EXPECT_THAT(other.message(), HasSubstr("expected an adapter with peft_type LORA, got \"IA3\""));
  EXPECT_EQ(parse_lora_config("{}", "name").status().code(), Code::kUnsupported);
}

TEST(LoraConfig, RefusesWrongValues) {
  for (const char* field :
       {R"("r":0)", R"("r":-1)", R"("r":4097)", R"("r":1e30)", R"("r":"8")", R"("r":2.5)",
        R"("lora_alpha":"much")", R"("use_rslora":1)", R"("rank_pattern":[3])",
        R"("rank_pattern":{"q_proj":null})", R"("rank_pattern":{"q_proj":0})",
        R"("alpha_pattern":{"q_proj":"x"})", R"("alpha_pattern":{"q_proj":null})"}) {
    const Status status = with(field).status();
    EXPECT_EQ(status.code(), Code::kFormatError) << field << ": " << status.message();
    EXPECT_THAT(status.message(), HasSubstr("expected")) << field;
  }
  std::string many = R"("rank_pattern":{"a0":1)";
  for (size_t i = 1; i < 8200; ++i) {
    many += ",\"a" + std::to_string(i) + "\":1";
  }
  EXPECT_THAT(with(many + "}").status().message(), HasSubstr("more patterns"));
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{"),
                                  std::string(100000, '['), std::string("\"x\"")}) {
    EXPECT_EQ(parse_lora_config(text, "name").status().code(), Code::kFormatError);
  }
}

}  // namespace
}  // namespace rotor
