// SPDX-License-Identifier: Apache-2.0
// config.json, generation_config.json and tokenizer_config.json: what is read, what an absent field
// means, and the message of every refusal.
#include "model/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/test_files.h"
#include "model/test_hf_config.h"

namespace rotor {
namespace {

using test::HfFiles;
using test::read;
using test::refused;
using test::with;
using testing::ElementsAre;
using testing::HasSubstr;

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

// Llama's layers; a sliding_window that is left out is 4096, null is none.
TEST(HfConfig, Mistral) {
  HfFiles files = test::hf_files();
  for (const char* key : {"num_key_value_heads", "sliding_window"}) {
    files.config.erase(key);
  }
  files.config["model_type"] = R"("mistral")";
  files.config["max_position_embeddings"] = "4096";
  files.config["num_attention_heads"] = "8";
  const auto parse = [&] { return parse_hf_config(files.config_json(), "config.json"); };
  const auto config = parse();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.family, "llama");
  EXPECT_EQ(config->model.kv_heads, 8u);
  files.config["max_position_embeddings"] = "4097";
  EXPECT_THAT(parse().status().message(), HasSubstr("'sliding_window' is 4096, as it is left out"));
  files.config["sliding_window"] = "null";
  EXPECT_TRUE(parse().ok());
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

}  // namespace
}  // namespace rotor
