// SPDX-License-Identifier: Apache-2.0
// Fields of config.json that one family has.
#include "model/hf_families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/hf_config.h"
#include "model/test_files.h"

namespace rotor {
namespace {

using test::HfFiles;
using testing::HasSubstr;

// MiniCPM: three multipliers, and of longrope's lists the one for its original context.
TEST(HfFamilies, MultipliersOfMiniCpm) {
  HfFiles files = test::hf_files();
  files.config["model_type"] = R"("minicpm")";
  files.config.erase("quantization_config");
  const auto parse = [&] { return parse_hf_config(files.config_json(), "config.json"); };
  EXPECT_EQ(parse()->model.embed_scale, 1.0f);
  EXPECT_EQ(parse()->model.head_divisor, 256.0f);  // dim_model_base is 1
  files.config["scale_emb"] = "12";
  files.config["scale_depth"] = "1.4";
  files.config["dim_model_base"] = "64";
  files.config["rope_scaling"] =
      R"({"rope_type":"longrope","original_max_position_embeddings":128,"long_factor":[2],
          "short_factor":[)" + std::string("1") + [] {
        std::string more;
        for (int i = 1; i < 32; ++i) {
          more += ",1.5";
        }
        return more;
      }() + "]}";
  const auto config = parse();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.family, "minicpm");
  EXPECT_EQ(config->model.embed_scale, 12.0f);
  EXPECT_EQ(config->model.residual_scale, static_cast<float>(1.4 / std::sqrt(2.0)));
  EXPECT_EQ(config->model.head_divisor, 4.0f);
  EXPECT_EQ(config->model.rope_scaling.type, RopeScalingType::kDivisors);
  EXPECT_EQ(config->model.rope_scaling.divisors[31], 1.5f);
  files.config["sparse_config"] = R"({"kernel_size":32})";
  EXPECT_EQ(parse().status().code(), Code::kUnsupported);
  EXPECT_THAT(parse().status().message(), HasSubstr("sparse attention"));
  files.config.erase("sparse_config");
  files.config["max_position_embeddings"] = "129";
  EXPECT_THAT(parse().status().message(), HasSubstr("beyond its original context of 128 positions"));
  files.config.erase("rope_scaling");
  files.config["dim_model_base"] = "0";
  EXPECT_THAT(parse().status().message(), HasSubstr("multiplier of the head"));
}

// Gemma 3: windows in some layers, with a rotary base of their own.
TEST(HfFamilies, LayersOfGemma3) {
  HfFiles files = test::hf_files();
  files.config["model_type"] = R"("gemma3_text")";
  files.config.erase("quantization_config");
  files.config.erase("hidden_act");
  files.config["hidden_activation"] = R"("gelu_pytorch_tanh")";
  const auto parse = [&] { return parse_hf_config(files.config_json(), "config.json"); };
  const auto config = parse();
  ASSERT_TRUE(config.ok()) << config.status().message();
  const ModelConfig& c = config->model;
  EXPECT_EQ(c.family, "gemma3");
  EXPECT_EQ(c.activation, Activation::kGeluTanh);
  EXPECT_TRUE(c.post_norms && c.qk_norm);
  EXPECT_EQ(c.embed_scale, 16.0f);  // of 256 columns
  EXPECT_EQ(c.attention_scale, 0.0625f);
  EXPECT_EQ(c.attention_window, 4096u);
  EXPECT_EQ(c.global_every, 6u);
  EXPECT_EQ(c.local_rope_theta, 10000.0);
  files.config["layer_types"] = R"(["sliding_attention","full_attention"])";
  files.config["sliding_window"] = "512";
  files.config["rope_parameters"] =
      R"({"full_attention":{"rope_theta":1e6,"rope_type":"default"},
          "sliding_attention":{"rope_theta":20000,"rope_type":"default"}})";
  EXPECT_EQ(parse()->model.global_every, 2u);
  EXPECT_EQ(parse()->model.attention_window, 512u);
  EXPECT_EQ(parse()->model.rope_theta, 1e6);
  EXPECT_EQ(parse()->model.local_rope_theta, 20000.0);
  EXPECT_TRUE(parse()->model.is_local(0));
  EXPECT_FALSE(parse()->model.is_local(1));
  files.config["layer_types"] = R"(["full_attention","full_attention"])";
  EXPECT_FALSE(parse()->model.is_local(0));
  const std::pair<const char*, const char*> refusals[] = {
      {"layer_types", R"(["full_attention","sliding_attention"])"},
      {"layer_types", R"(["linear_attention","full_attention"])"},
      {"final_logit_softcapping", "30"},
      {"use_bidirectional_attention", "true"},
      {"hidden_activation", R"("gelu")"}};
  for (const auto& [key, value] : refusals) {
    HfFiles other = files;
    other.config[key] = value;
    const Status status = parse_hf_config(other.config_json(), "config.json").status();
    EXPECT_EQ(status.code(), Code::kUnsupported) << key << " " << value;
    EXPECT_THAT(status.message(), HasSubstr(key));
  }
}

// Maple: experts, layers with a window that turn a part of each head, and what its own code states.
TEST(HfFamilies, ExpertsOfMaple) {
  HfFiles files = test::hf_files();
  files.config.erase("quantization_config");
  files.config.erase("rope_scaling");
  const std::pair<const char*, const char*> fields[] = {
      {"model_type", R"("maple")"},        {"num_experts", "8"},
      {"num_experts_per_tok", "2"},        {"moe_intermediate_size", "64"},
      {"partial_rotary_factor", "0.5"},    {"sliding_window", "512"},
      {"hidden_act", R"("silu")"},
      {"layer_types", R"(["sliding_attention","full_attention"])"}};
  for (const auto& [key, value] : fields) {
    files.config[key] = value;
  }
  const auto parse = [&] { return parse_hf_config(files.config_json(), "config.json"); };
  const auto config = parse();
  ASSERT_TRUE(config.ok()) << config.status().message();
  const ModelConfig& c = config->model;
  EXPECT_EQ(c.experts, 8u);
  EXPECT_EQ(c.experts_used, 2u);
  EXPECT_EQ(c.ffn, 64u);
  EXPECT_EQ(c.gate_limit, 7.0f);
  EXPECT_EQ(c.rotary_dims, c.head_dim / 2);
  EXPECT_EQ(c.attention_window, 513u);  // the position itself and 512 before it
  EXPECT_EQ(c.global_every, 2u);
  const std::pair<const char*, const char*> refusals[] = {
      {"norm_topk_prob", "false"},   {"use_bias", "true"},   {"num_shared_experts", "1"},
      {"score_function", R"("sigmoid")"}, {"partial_rotary_factor", "0"}, {"num_experts", "0"}};
  for (const auto& [key, value] : refusals) {
    HfFiles other = files;
    other.config[key] = value;
    const Status status = parse_hf_config(other.config_json(), "config.json").status();
    EXPECT_FALSE(status.ok()) << key << " " << value;
    EXPECT_THAT(status.message(), HasSubstr(key));
  }
  files.config.erase("layer_types");
  EXPECT_THAT(parse().status().message(), HasSubstr("'layer_types' is missing"));
}

}  // namespace
}  // namespace rotor
