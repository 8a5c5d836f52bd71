// SPDX-License-Identifier: Apache-2.0
// config.json, generation_config.json and tokenizer_config.json: what is read, what an absent field
// means, and the message of every refusal.
#include "model/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/test_files.h"

namespace rotor {
namespace {

using test::HfFiles;
using testing::ElementsAre;
using testing::HasSubstr;

Result<HfConfig> with(const std::string& key, const std::string& json) {
  HfFiles files = test::hf_files();
  files.config[key] = json;
  return parse_hf_config(files.config_json(), "config.json");
}

HfConfig read(const std::string& key, const std::string& json) {
  const Result<HfConfig> config = with(key, json);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return config.ok() ? *config : HfConfig();
}

std::string refused(const std::string& key, const std::string& json) {
  return with(key, json).status().message();
}

TEST(HfConfig, ReadsEveryField) {
  const HfConfig config = read("head_dim", "66");
  const ModelConfig& model = config.model;
  EXPECT_EQ(model.family, "bitnet");
  EXPECT_EQ(model.vocab, 6u);
  EXPECT_EQ(model.context, 128u);
  EXPECT_EQ(model.hidden, 256u);
  EXPECT_EQ(model.ffn, 32u);
  EXPECT_EQ(model.layers, 2u);
  EXPECT_EQ(model.heads, 4u);
  EXPECT_EQ(model.kv_heads, 2u);
  EXPECT_EQ(model.head_dim, 66u);
  EXPECT_EQ(model.rms_eps, 1e-5f);
  EXPECT_EQ(model.rope_theta, 10000.0);
  EXPECT_EQ(model.activation, Activation::kRelu2);
  EXPECT_TRUE(model.tied_head);
  EXPECT_FALSE(read("tie_word_embeddings", "false").model.tied_head);
  EXPECT_EQ(read("hidden_act", R"("silu")").model.activation, Activation::kSilu);
}

TEST(HfConfig, AbsentAndNullFieldsTakeTheDefaultsOfTransformers) {
  HfFiles files = test::hf_files();
  for (const char* key :
       {"rope_theta", "rms_norm_eps", "hidden_act", "tie_word_embeddings", "quantization_config"}) {
    files.config.erase(key);
  }
  files.config["num_attention_heads"] = "10";
  files.config["num_key_value_heads"] = "null";
  files.config["hidden_size"] = "640";
  const auto config = parse_hf_config(files.config_json(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.kv_heads, 5u);
  EXPECT_EQ(config->model.head_dim, 64u);
  EXPECT_EQ(config->model.rope_theta, 500000.0);
  EXPECT_EQ(config->model.rms_eps, 1e-5f);
  EXPECT_EQ(config->model.activation, Activation::kRelu2);
  EXPECT_TRUE(config->model.tied_head);
  EXPECT_FALSE(config->quantization.present);
  EXPECT_TRUE(config->eos.empty());
}

TEST(HfConfig, RotaryParametersOfBothStyles) {
  EXPECT_EQ(read("rope_scaling", "null").model.rope_theta, 10000.0);
  EXPECT_EQ(read("rope_scaling", R"({"type":"default"})").model.rope_theta, 10000.0);
  HfFiles files = test::hf_files();
  files.config.erase("rope_theta");
  files.config["rope_parameters"] = R"({"rope_type":"default","rope_theta":5e4})";
  EXPECT_EQ(parse_hf_config(files.config_json(), "config.json")->model.rope_theta, 50000.0);
}

TEST(HfConfig, RotaryScaling) {
  const auto scaling = [](const char* json) { return read("rope_scaling", json).model.rope_scaling; };
  EXPECT_EQ(scaling(R"({"type":"default"})"), RopeScaling());
  EXPECT_EQ(scaling(R"({"type":"linear","factor":2})").type, RopeScalingType::kLinear);
  EXPECT_EQ(scaling(R"({"type":"linear","factor":2})").factor, 2.0);
  const RopeScaling llama3 = scaling(
      R"({"rope_type":"llama3","factor":32.0,"low_freq_factor":1.5,"high_freq_factor":4.5,)"
      R"("original_max_position_embeddings":64})");
  EXPECT_EQ(llama3.type, RopeScalingType::kLlama3);
  EXPECT_EQ(llama3.low_freq_factor, 1.5);
  EXPECT_EQ(llama3.high_freq_factor, 4.5);
  EXPECT_EQ(llama3.original_context, 64.0);
  const RopeScaling yarn = scaling(R"({"rope_type":"yarn","factor":4.0})");
  EXPECT_EQ(yarn.type, RopeScalingType::kYarn);
  EXPECT_EQ(yarn.original_context, 128.0);  // max_position_embeddings
  EXPECT_EQ(yarn.attention_factor, yarn_attention_factor(4.0));
  EXPECT_TRUE(yarn.truncate);
  const RopeScaling told = scaling(
      R"({"rope_type":"yarn","factor":4.0,"attention_factor":1.5,"beta_fast":16,"beta_slow":2,)"
      R"("truncate":false})");
  EXPECT_EQ(told.attention_factor, 1.5);
  EXPECT_EQ(told.beta_fast, 16.0);
  EXPECT_EQ(told.beta_slow, 2.0);
  EXPECT_FALSE(told.truncate);
  const double with_scales =
      scaling(R"({"rope_type":"yarn","factor":4.0,"mscale":0.5,"mscale_all_dim":2.0})")
          .attention_factor;
  const double logarithm = yarn_attention_factor(4.0) - 1.0;
  EXPECT_EQ(with_scales, (0.5 * logarithm + 1.0) / (2.0 * logarithm + 1.0));
}

// Both go before rope_parameters and the plain field.
TEST(HfConfig, TheOlderNameOfTheRotaryParametersGoesFirst) {
  HfFiles files = test::hf_files();
  files.config["rope_parameters"] = R"({"rope_type":"linear","factor":2.0,"rope_theta":7e3})";
  const auto model = [&] { return parse_hf_config(files.config_json(), "config.json")->model; };
  EXPECT_EQ(model().rope_theta, 7000.0);
  EXPECT_EQ(model().rope_scaling.factor, 2.0);
  files.config["rope_scaling"] = R"({"rope_type":"linear","factor":3.0,"rope_theta":8e3})";
  EXPECT_EQ(model().rope_theta, 8000.0);
  EXPECT_EQ(model().rope_scaling.factor, 3.0);
}

TEST(HfConfig, LlamaTakesItsOwnDefaults) {
  HfFiles files = test::hf_files();
  for (const char* key : {"rope_theta", "rms_norm_eps", "hidden_act", "tie_word_embeddings",
                          "num_key_value_heads"}) {
    files.config.erase(key);
  }
  files.config["model_type"] = R"("llama")";
  files.config["architectures"] = R"(["LlamaForCausalLM"])";
  const auto config = parse_hf_config(files.config_json(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.family, "llama");
  EXPECT_EQ(config->model.kv_heads, 4u);
  EXPECT_EQ(config->model.head_dim, 64u);
  EXPECT_EQ(config->model.rope_theta, 10000.0);
  EXPECT_EQ(config->model.rms_eps, 1e-6f);
  EXPECT_EQ(config->model.activation, Activation::kSilu);
  EXPECT_FALSE(config->model.tied_head);
  EXPECT_FALSE(config->model.attn_sub_norm);
  EXPECT_FALSE(config->model.ffn_sub_norm);
}

TEST(HfConfig, Qwen3TakesItsOwnDefaults) {
  HfFiles files = test::hf_files();
  for (const char* key : {"rope_theta", "rms_norm_eps", "hidden_act", "tie_word_embeddings"}) {
    files.config.erase(key);
  }
  files.config["model_type"] = R"("qwen3")";
  files.config["sliding_window"] = "16";  // counts only where use_sliding_window says so
  files.config["layer_types"] = R"(["full_attention","full_attention"])";
  const auto config = parse_hf_config(files.config_json(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.family, "qwen3");
  EXPECT_TRUE(config->model.qk_norm);
  EXPECT_FALSE(config->model.attn_sub_norm);
  EXPECT_EQ(config->model.head_dim, 128u);
  EXPECT_EQ(config->model.rms_eps, 1e-6f);
  EXPECT_EQ(config->model.rope_theta, 10000.0);
  EXPECT_EQ(config->model.activation, Activation::kSilu);
  EXPECT_FALSE(config->model.tied_head);
  const auto refusal = [&](const char* key, const char* json) {
    HfFiles other = files;
    other.config[key] = json;
    return parse_hf_config(other.config_json(), "config.json").status().message();
  };
  EXPECT_THAT(refusal("use_sliding_window", "true"), HasSubstr("'sliding_window' is 16"));
  EXPECT_THAT(refusal("layer_types", R"(["full_attention","sliding_attention"])"),
              HasSubstr("expected full_attention alone, got 'sliding_attention'"));
  EXPECT_THAT(refusal("num_key_value_heads", "null"), HasSubstr("not a multiple of"));  // of 32
}

TEST(HfConfig, NormsOfTheMatrices) {
  const auto quantization = [](const std::string& fields) {
    return with("quantization_config", R"({"quant_method":"bitnet","use_rms_norm":true)" + fields +
                                           "}");
  };
  EXPECT_TRUE(quantization(R"(,"rms_norm_eps":1e-05)")->model.input_norms);
  EXPECT_THAT(quantization("").status().message(), HasSubstr("rms_norm_eps"));  // 1e-6 of its own
}

TEST(PoolingConfig, IsOneWay) {
  EXPECT_EQ(*parse_pooling_config(R"({"pooling_mode_lasttoken":true})", "p"), Pooling::kLast);
  EXPECT_EQ(*parse_pooling_config(R"({"pooling_mode_mean_tokens":true})", "p"), Pooling::kMean);
  EXPECT_EQ(*parse_pooling_config(R"({"pooling_mode_cls_token":true})", "p"), Pooling::kFirst);
  for (const char* bad : {"{}", R"({"pooling_mode_max_tokens":true})",
                          R"({"pooling_mode_lasttoken":true,"pooling_mode_cls_token":true})"}) {
    EXPECT_EQ(parse_pooling_config(bad, "p").status().code(), Code::kUnsupported) << bad;
  }
  EXPECT_EQ(parse_pooling_config("{", "p").status().code(), Code::kFormatError);
}

TEST(HfConfig, TheFirstBitnetsTellTheirBitsThemselves) {
  HfFiles files = test::hf_files();
  files.config.erase("quantization_config");
  files.config["model_type"] = R"("llama")";
  files.config["architectures"] = R"(["BitnetForCausalLM"])";
  files.config["weight_bits"] = "1";
  files.config["input_bits"] = "8";
  const auto config = parse_hf_config(files.config_json(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.family, "bitnet");
  EXPECT_TRUE(config->model.attn_sub_norm);
  EXPECT_TRUE(config->quantization.present);
  EXPECT_TRUE(config->quantization.online);
  for (const char* key : {"weight_bits", "input_bits"}) {
    HfFiles other = files;
    other.config[key] = "4";
    const Status status = parse_hf_config(other.config_json(), "config.json").status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("expected 'weight_bits' 1 and 'input_bits' 8, got "));
    other.config.erase(key);
    EXPECT_THAT(parse_hf_config(other.config_json(), "config.json").status().message(),
                HasSubstr("nothing"));
  }
}

TEST(HfConfig, BothMeaningsOfTheWeightScale) {
  const auto quantization = [](const std::string& fields) {
    return read("quantization_config", R"({"quant_method":"bitnet")" + fields + "}").quantization;
  };
  EXPECT_TRUE(quantization("").present);
  EXPECT_FALSE(quantization("").scale_multiplies);
  EXPECT_FALSE(quantization("").online);
  EXPECT_FALSE(quantization(R"(,"linear_class":"bitlinear")").scale_multiplies);
  EXPECT_TRUE(quantization(R"(,"linear_class":"autobitlinear")").scale_multiplies);
  EXPECT_TRUE(quantization(R"(,"quantization_mode":"online")").online);
  EXPECT_FALSE(quantization(R"(,"quantization_mode":"offline")").online);
}

TEST(HfConfig, EndOfTextIsOneIdOrAList) {
  EXPECT_THAT(read("eos_token_id", "5").eos, ElementsAre(5));
  EXPECT_THAT(read("eos_token_id", "[5,2]").eos, ElementsAre(5, 2));
  for (const char* bad : {"-1", "2147483648", "1.5", "\"5\"", "[[5]]", "[null]", "{}"}) {
    EXPECT_THAT(refused("eos_token_id", bad), HasSubstr("'eos_token_id': expected token ids"))
        << bad;
  }
}

TEST(HfConfig, RefusesMissingAndWrongSizes) {
  for (const char* key : {"vocab_size", "max_position_embeddings", "hidden_size",
                          "intermediate_size", "num_hidden_layers", "num_attention_heads"}) {
    const std::string name = key;
    EXPECT_EQ(refused(key, "null"), "config.json: required field '" + name + "' is missing");
    EXPECT_THAT(refused(key, "\"7\""),
                HasSubstr("config.json: key \"" + name + "\": expected an integer"));
    EXPECT_THAT(refused(key, "7.5"), HasSubstr("\"" + name + "\": expected an integer"));
    EXPECT_THAT(refused(key, "18446744073709551615"), HasSubstr("\"" + name + "\""));
    EXPECT_EQ(refused(key, "-7"), "config.json: '" + name + "': expected a size, got -7");
    EXPECT_THAT(refused(key, "0"), HasSubstr("expected 1.."));
    EXPECT_THAT(refused(key, "9223372036854775807"), HasSubstr("got 9223372036854775807"));
  }
  EXPECT_THAT(refused("num_key_value_heads", "-2"), HasSubstr("got -2"));
  EXPECT_THAT(refused("head_dim", "-64"), HasSubstr("got -64"));
  EXPECT_THAT(refused("head_dim", "0"), HasSubstr("head_dim: expected 1..4096, got 0"));
}

TEST(HfConfig, HeadDimensionRoundsDownAsInTransformers) {
  EXPECT_EQ(read("num_attention_heads", "14").model.head_dim, 18u);
}

TEST(HfConfig, RefusesContradictions) {
  EXPECT_THAT(refused("num_key_value_heads", "3"),
              HasSubstr("num_attention_heads 4 is not a multiple of num_key_value_heads 3"));
  EXPECT_THAT(refused("head_dim", "63"), HasSubstr("head_dim must be even"));
  EXPECT_THAT(refused("rms_norm_eps", "0"), HasSubstr("rms_norm_eps must lie in (0, 1)"));
  EXPECT_THAT(refused("rms_norm_eps", "1e-60"), HasSubstr("rms_norm_eps must lie in (0, 1)"));
  EXPECT_THAT(refused("rope_theta", "1e300"), HasSubstr("rope_theta must lie in (1, 1e12)"));
  EXPECT_THAT(refused("rope_theta", "\"1e4\""), HasSubstr("\"rope_theta\": expected a number"));
}

TEST(HfConfig, RefusesExpertsAndWindows) {
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    EXPECT_EQ(with(key, "8").status().code(), Code::kUnsupported);
    EXPECT_THAT(refused(key, "8"), HasSubstr("'" + std::string(key) + "' is 8"));
    EXPECT_TRUE(with(key, "0").ok());
    EXPECT_TRUE(with(key, "null").ok());
  }
  EXPECT_EQ(with("sliding_window", "16").status().code(), Code::kUnsupported);
  EXPECT_THAT(refused("sliding_window", "16"), HasSubstr("'sliding_window' is 16"));
  for (const char* none : {"null", "0", "1048576"}) {
    EXPECT_TRUE(with("sliding_window", none).ok()) << none;
  }
}

// MiniCPM: three multipliers, and of longrope's lists the one for its original context.
TEST(HfConfig, MultipliersOfMiniCpm) {
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
TEST(HfConfig, LayersOfGemma3) {
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

TEST(HfConfig, RefusesWhatIsNotComputed) {
  EXPECT_EQ(with("model_type", R"("gpt2")").status().code(), Code::kUnsupported);
  EXPECT_EQ(refused("model_type", R"("gpt2")"),
            "config.json: model_type 'gpt2' is not supported; expected " + hf_family_names());
  EXPECT_THAT(refused("architectures", "[7]"), HasSubstr("'architectures': expected a list"));
  EXPECT_THAT(refused("model_type", "null"), HasSubstr("model_type '' is not supported"));
  EXPECT_THAT(refused("hidden_act", R"("gelu")"), HasSubstr("hidden_act 'gelu'"));
  EXPECT_THAT(refused("attention_bias", "true"), HasSubstr("attention_bias is not supported"));
  EXPECT_THAT(refused("mlp_bias", "true"), HasSubstr("mlp_bias is not supported"));
  EXPECT_THAT(refused("partial_rotary_factor", "0.5"), HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(refused("rope_scaling", R"({"type":"default","partial_rotary_factor":0.25})"),
              HasSubstr("partial_rotary_factor"));
  EXPECT_THAT(refused("rope_scaling", R"({"type":"linear"})"),
              HasSubstr("rotary scaling 'linear' lacks the field 'factor'"));
  EXPECT_THAT(refused("rope_scaling", R"({"rope_type":"dynamic","factor":2})"),
              HasSubstr("rotary scaling 'dynamic' is not supported; expected linear, llama3, longrope"));
  EXPECT_THAT(refused("rope_scaling", R"({"rope_type":"longrope","factor":2})"),
              HasSubstr("rotary scaling 'longrope' beyond its original context of 0 positions"));
  EXPECT_THAT(refused("rope_scaling", R"({"rope_type":"longrope",
                                          "original_max_position_embeddings":1000000})"),
              HasSubstr("'longrope' lacks the field 'short_factor'"));
  EXPECT_THAT(refused("rope_scaling", R"({"rope_type":"llama3","factor":8})"),
              HasSubstr("lacks the field 'low_freq_factor'"));
  EXPECT_THAT(refused("rope_scaling", R"({"rope_type":"linear","factor":0.5})"),
              HasSubstr("factor must lie in"));
  EXPECT_THAT(refused("rope_scaling", R"("yarn")"),
              HasSubstr("'rope_scaling': expected an object"));
  EXPECT_THAT(refused("rope_scaling", R"({"factor":4.0})"), HasSubstr("names no rope_type"));
  EXPECT_THAT(refused("quantization_config",
                      R"({"quant_method":"bitnet","modules_to_not_convert":["mlp.down_proj"]})"),
              HasSubstr("'modules_to_not_convert' names 'mlp.down_proj'"));
  EXPECT_THAT(refused("quantization_config",
                      R"({"quant_method":"bitnet","modules_to_not_convert":"lm_head"})"),
              HasSubstr("'modules_to_not_convert': expected a list"));
  EXPECT_THAT(refused("quantization_config", R"({"quant_method":"awq"})"),
              HasSubstr("quant_method: expected 'bitnet', got 'awq'"));
  EXPECT_THAT(refused("quantization_config", "[]"), HasSubstr("expected 'bitnet', got 'nothing'"));
  EXPECT_THAT(refused("quantization_config", R"({"quant_method":"bitnet","linear_class":"x"})"),
              HasSubstr("linear_class 'x' is not known; expected bitlinear or autobitlinear"));
  EXPECT_THAT(refused("quantization_config", R"({"quant_method":"bitnet","quantization_mode":""})"),
              HasSubstr("quantization_mode '' is not known; expected online or offline"));
}

TEST(HfConfig, RefusesWhatIsNoObject) {
  for (const char* bad : {"", "{", "[]", "7", "{\"a\":1}}", "\xff"}) {
    const auto config = parse_hf_config(bad, "dir/config.json");
    EXPECT_EQ(config.status().code(), Code::kFormatError) << bad;
    EXPECT_THAT(config.status().message(), testing::StartsWith("dir/config.json: ")) << bad;
  }
}

TEST(GenerationConfig, GivesDefaultsAndEndTokens) {
  std::vector<TokenId> eos = {1};
  const auto good =
      parse_generation_config(R"({"temperature":0.6,"eos_token_id":[7,8]})", "g", eos);
  ASSERT_TRUE(good.ok()) << good.status().message();
  EXPECT_EQ(good->temperature, 0.6f);
  EXPECT_THAT(eos, ElementsAre(1, 7, 8));
  EXPECT_THAT(parse_generation_config(R"({"top_k":"many"})", "g", eos).status().message(),
              HasSubstr("g: key \"top_k\": expected an integer, found a string"));
}

// transformers writes 10^30 for "no limit".
TEST(GenerationConfig, NumbersBeyond64BitsMatterOnlyWhereTheyAreRead) {
  std::vector<TokenId> eos;
  EXPECT_TRUE(
      parse_generation_config(R"({"max_length":1000000000000000019884624838656})", "g", eos).ok());
  EXPECT_THAT(parse_generation_config(R"({"top_k":1000000000000000019884624838656})", "g", eos)
                  .status()
                  .message(),
              HasSubstr("g: key \"top_k\": expected an integer, found a number beyond 64 bits"));
  const auto text = parse_chat_template(
      R"({"model_max_length":1000000000000000019884624838656,"chat_template":"x"})", "t");
  EXPECT_EQ(*text, "x");
}

TEST(ChatTemplateOfHf, IsTextOrTheDefaultOfAList) {
  const auto parse = [](const char* json) {
    const auto text = parse_chat_template(json, "t");
    return text.ok() ? *text : text.status().message();
  };
  EXPECT_EQ(parse(R"({"chat_template":"A"})"), "A");
  EXPECT_EQ(parse(R"({"chat_template":[{"name":"rag","template":"R"},)"
                  R"({"name":"default","template":"D"}]})"),
            "D");
  EXPECT_EQ(parse(R"({"chat_template":[{"name":"rag","template":"R"}]})"), "");
  EXPECT_EQ(parse("{}"), "");
  EXPECT_THAT(parse(R"({"chat_template":7})"), HasSubstr("expected a string or a list"));
  EXPECT_THAT(parse(R"({"chat_template":[{"name":"default","template":7}]})"),
              HasSubstr("key \"template\": expected a string"));
}

// MLX's setting, which it writes under two names, of which the other names no method.
TEST(HfConfig, MlxQuantization) {
  for (const size_t group : {64, 128, 256}) {
    const std::string size = std::to_string(group);
    const HfQuantization found =
        read("quantization", R"({"group_size":)" + size + R"(,"bits":2,"mode":"affine"})").quantization;
    EXPECT_EQ(found.mlx_group, group);
    EXPECT_FALSE(found.present);
  }
  EXPECT_EQ(read("rope_theta", "10000.0").quantization.mlx_group, 0u);
  const std::string expected = "quantization: expected 2 bits in groups of 64, 128 or 256";
  for (const char* const bad :
       {R"({"group_size":128,"bits":4})", R"({"group_size":32,"bits":2})", R"({"bits":2})",
        R"({"group_size":-128,"bits":2})", R"({"group_size":128,"bits":2,"mode":"mxfp4"})", "7"}) {
    EXPECT_THAT(refused("quantization", bad), HasSubstr(expected)) << bad;
  }
  for (const char* const other : {"false", R"({"group_size":64,"bits":8})"}) {
    EXPECT_THAT(refused("quantization", R"({"group_size":128,"bits":2,"model.embed_tokens":)" +
                                            std::string(other) + "}"),
                HasSubstr("'model.embed_tokens' has a setting of its own"));
  }
}

}  // namespace
}  // namespace rotor
