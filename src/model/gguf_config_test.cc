// SPDX-License-Identifier: Apache-2.0
// The metadata keys of bitnet GGUF files: each architecture, each default, each refusal.
#include "model/gguf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "model/family.h"
#include "model/test_files.h"

namespace rotor {
namespace {

using test::GgufFiles;
using testing::AllOf;
using testing::HasSubstr;

const std::string kArch = "bitnet-b1.58";

struct Parsed {
  Result<ModelConfig> config;
  std::vector<std::string> notes;
  std::string message() const { return config.ok() ? "accepted" : config.status().message(); }
};

Parsed parse(const GgufFiles& files) {
  std::vector<std::string> notes;
  const auto file = GgufFile::parse(File::from_memory(files.bytes(), "m.gguf"));
  if (!file.ok()) {
    return {file.status(), {}};
  }
  auto config = parse_gguf_config(*file, notes);
  return {std::move(config), notes};
}

Parsed with(const std::string& key, GgufFiles::Value value) {
  GgufFiles files = test::gguf_files();
  files.keys[kArch + "." + key] = std::move(value);
  return parse(files);
}

Parsed without(const std::string& key) {
  GgufFiles files = test::gguf_files();
  files.keys.erase(kArch + "." + key);
  return parse(files);
}

TEST(GgufConfig, ReadsEveryArchitecture) {
  for (const char* arch : {"bitnet", "bitnet-25", "bitnet-b1.58"}) {
    const Parsed parsed = parse(test::gguf_files(arch));
    ASSERT_TRUE(parsed.config.ok()) << parsed.message();
    const ModelConfig& model = *parsed.config;
    EXPECT_EQ(model.family, "bitnet");
    EXPECT_EQ(model.vocab, 6u);
    EXPECT_EQ(model.context, 128u);
    EXPECT_EQ(model.hidden, 256u);
    EXPECT_EQ(model.ffn, 32u);
    EXPECT_EQ(model.layers, 2u);
    EXPECT_EQ(model.heads, 4u);
    EXPECT_EQ(model.kv_heads, 2u);
    EXPECT_EQ(model.head_dim, 64u);
    EXPECT_EQ(model.rms_eps, 1e-5f);
    EXPECT_EQ(model.rope_theta, 10000.0);
    EXPECT_TRUE(model.tied_head);
  }
}

TEST(GgufConfig, ActivationOfEachArchitecture) {
  EXPECT_EQ(parse(test::gguf_files("bitnet-25")).config->activation, Activation::kRelu2);
  EXPECT_EQ(parse(test::gguf_files("bitnet-b1.58")).config->activation, Activation::kRelu2);
  const Parsed silent = parse(test::gguf_files("bitnet"));
  EXPECT_EQ(silent.config->activation, Activation::kSilu);
  EXPECT_THAT(silent.notes, testing::ElementsAre(HasSubstr("the file names no activation")));
  GgufFiles files = test::gguf_files("bitnet");
  files.keys["bitnet.hidden_act"] = "relu2";
  EXPECT_EQ(parse(files).config->activation, Activation::kRelu2);
  EXPECT_THAT(parse(files).notes, testing::IsEmpty());
  files.keys["bitnet.hidden_activation"] = "silu";  // goes before hidden_act
  EXPECT_EQ(parse(files).config->activation, Activation::kSilu);
  files.keys["bitnet.hidden_activation"] = "gelu";
  EXPECT_EQ(parse(files).config.status().code(), Code::kUnsupported);
  EXPECT_THAT(parse(files).message(),
              HasSubstr("m.gguf: key 'bitnet.hidden_activation': 'gelu' is not supported"));
}

// The sizes of BitNet b1.58 2B-4T under "bitnet", as its published file has them.
TEST(GgufConfig, TheOfficialFileHasRelu2) {
  GgufFiles files = test::gguf_files("bitnet");
  files.keys["bitnet.embedding_length"] = uint32_t{2560};
  files.keys["bitnet.feed_forward_length"] = uint32_t{6912};
  files.keys["bitnet.attention.head_count"] = uint32_t{20};
  files.keys["bitnet.attention.head_count_kv"] = uint32_t{5};
  files.keys["bitnet.rope.dimension_count"] = uint32_t{128};
  files.tensors["token_embd.weight"] = {{32, 128256}, kGgufQ8_0, std::string(34 * 128256, '\0')};
  const Parsed parsed = parse(files);
  ASSERT_TRUE(parsed.config.ok()) << parsed.message();
  EXPECT_EQ(parsed.config->activation, Activation::kRelu2);
  EXPECT_THAT(parsed.notes, testing::ElementsAre(HasSubstr("relu2 (BitNet b1.58 2B-4T)")));
}

TEST(GgufConfig, AbsentKeysTakeDefaults) {
  EXPECT_EQ(without("attention.head_count_kv").config->kv_heads, 4u);
  EXPECT_EQ(without("rope.dimension_count").config->head_dim, 64u);
  EXPECT_EQ(without("rope.freq_base").config->rope_theta, 10000.0);
  EXPECT_EQ(without("attention.layer_norm_rms_epsilon").config->rms_eps, 1e-5f);
  EXPECT_EQ(with("attention.key_length", uint32_t{64}).config->head_dim, 64u);
  EXPECT_EQ(with("rope.scaling.type", "none").config->head_dim, 64u);
}

TEST(GgufConfig, LlamaHasNoFurtherNormsAndSilu) {
  const Parsed parsed = parse(test::gguf_files("llama"));
  ASSERT_TRUE(parsed.config.ok()) << parsed.message();
  EXPECT_EQ(parsed.config->family, "llama");
  EXPECT_EQ(parsed.config->activation, Activation::kSilu);
  EXPECT_FALSE(parsed.config->attn_sub_norm);
  EXPECT_FALSE(parsed.config->ffn_sub_norm);
  EXPECT_TRUE(parsed.config->tied_head);  // until an output.weight is found
  EXPECT_THAT(parsed.notes, testing::IsEmpty());
}

TEST(GgufConfig, Qwen3NormsItsHeads) {
  GgufFiles files = test::gguf_files("qwen3");
  ASSERT_TRUE(parse(files).config.ok()) << parse(files).message();
  EXPECT_EQ(parse(files).config->family, "qwen3");
  EXPECT_TRUE(parse(files).config->qk_norm);
  EXPECT_EQ(parse(files).config->pooling, Pooling::kUnstated);
  files.keys["qwen3.pooling_type"] = uint32_t{3};
  EXPECT_EQ(parse(files).config->pooling, Pooling::kLast);
  files.keys["qwen3.pooling_type"] = uint32_t{4};
  EXPECT_THAT(parse(files).message(), HasSubstr("key 'qwen3.pooling_type' is 4"));
}

TEST(GgufConfig, MiniCpmsMultipliers) {
  GgufFiles files = test::gguf_files("minicpm");
  files.keys["minicpm.embedding_scale"] = 9.0f;
  files.keys["minicpm.residual_scale"] = 0.5f;
  files.keys["minicpm.logit_scale"] = 3.0f;
  const Parsed parsed = parse(files);
  ASSERT_TRUE(parsed.config.ok()) << parsed.message();
  EXPECT_EQ(parsed.config->family, "minicpm");
  EXPECT_EQ(parsed.config->activation, Activation::kSilu);
  EXPECT_EQ(parsed.config->embed_scale, 9.0f);
  EXPECT_EQ(parsed.config->residual_scale, 0.5f);
  EXPECT_EQ(parsed.config->head_divisor, 3.0f);
  EXPECT_THAT(parsed.notes, testing::IsEmpty());
  const Parsed old = parse(test::gguf_files("minicpm"));  // 2 layers of 256
  ASSERT_TRUE(old.config.ok()) << old.message();
  EXPECT_EQ(old.config->embed_scale, 12.0f);
  EXPECT_EQ(old.config->residual_scale, static_cast<float>(1.4 / std::sqrt(2.0)));
  EXPECT_EQ(old.config->head_divisor, 1.0f);
  EXPECT_THAT(old.notes, testing::ElementsAre(HasSubstr("multipliers")));
  files.keys["minicpm.logit_scale"] = 0.0f;
  EXPECT_THAT(parse(files).message(), HasSubstr("head"));
}

TEST(GgufConfig, LongropeUpToItsOriginalContext) {
  GgufFiles files = test::gguf_files("minicpm");
  const std::string prefix = "minicpm.rope.scaling.";
  files.keys[prefix + "type"] = "longrope";
  EXPECT_TRUE(parse(files).config.ok());
  files.keys[prefix + "original_context_length"] = uint32_t{127};
  EXPECT_THAT(parse(files).message(), HasSubstr("beyond its original context of 127"));
  files.keys[prefix + "original_context_length"] = uint32_t{128};
  EXPECT_TRUE(parse(files).config.ok());
  files.keys[prefix + "attn_factor"] = 1.5f;
  EXPECT_THAT(parse(files).message(), HasSubstr("'longrope'"));
}

TEST(GgufConfig, HeadsNeedNotSplitTheHiddenSize) {
  GgufFiles files = test::gguf_files();
  files.keys[kArch + ".attention.key_length"] = uint32_t{32};
  files.keys[kArch + ".attention.value_length"] = uint32_t{32};
  EXPECT_THAT(parse(files).message(), HasSubstr("rotary embedding of 64 of 32"));
  files.keys.erase(kArch + ".rope.dimension_count");
  EXPECT_EQ(parse(files).config->head_dim, 32u);
}

TEST(GgufConfig, RotaryScaling) {
  GgufFiles files = test::gguf_files();
  const std::string prefix = kArch + ".rope.scaling.";
  const auto scaling = [&] { return parse(files).config->rope_scaling; };
  files.keys[prefix + "factor"] = 4.0f;
  EXPECT_EQ(scaling().type, RopeScalingType::kLinear);
  EXPECT_EQ(scaling().factor, 4.0);
  files.keys[prefix + "type"] = "none";
  EXPECT_EQ(scaling(), RopeScaling());
  files.keys[prefix + "type"] = "yarn";
  EXPECT_EQ(scaling().type, RopeScalingType::kYarn);
  EXPECT_EQ(scaling().original_context, 128.0);
  EXPECT_EQ(scaling().attention_factor, yarn_attention_factor(4.0));
  files.keys[prefix + "original_context_length"] = uint32_t{64};
  files.keys[prefix + "yarn_beta_fast"] = 16.0f;
  EXPECT_EQ(scaling().original_context, 64.0);
  EXPECT_EQ(scaling().beta_fast, 16.0);
  EXPECT_EQ(scaling().beta_slow, 1.0);
  files.keys[prefix + "attn_factor"] = 0.5f;
  EXPECT_THAT(parse(files).message(), HasSubstr("attn_factor' is 0.5"));
  files.keys.erase(prefix + "attn_factor");
  files.keys[prefix + "factor"] = 0.5f;
  EXPECT_THAT(parse(files).message(), HasSubstr("factor must lie in"));
}

TEST(GgufConfig, NamesBecomeUtf8) {
  GgufFiles files = test::gguf_files();
  files.keys["general.name"] =
      "a\xff"
      "b";
  EXPECT_EQ(parse(files).config->name,
            "a\xEF\xBF\xBD"
            "b");
}

TEST(GgufConfig, RefusesMissingAndWrongSizes) {
  for (const char* key : {"context_length", "embedding_length", "feed_forward_length",
                          "block_count", "attention.head_count"}) {
    const std::string name = "key '" + kArch + "." + key + "'";
    EXPECT_EQ(without(key).message(), "m.gguf: required " + name + " is missing");
    EXPECT_THAT(with(key, "7").message(), HasSubstr(key));
    EXPECT_THAT(with(key, 7.0f).message(), HasSubstr(key));
    EXPECT_THAT(with(key, int32_t{-7}).message(), AllOf(HasSubstr(name), HasSubstr("got -7")));
    EXPECT_THAT(with(key, uint32_t{0}).message(), AllOf(HasSubstr(name), HasSubstr("got 0")));
    EXPECT_THAT(with(key, UINT32_MAX).message(),
                AllOf(HasSubstr(name), HasSubstr("got 4294967295")));
    EXPECT_THAT(with(key, UINT64_MAX).message(), HasSubstr(key));
  }
  for (const char* key :
       {"attention.head_count_kv", "rope.dimension_count", "attention.key_length"}) {
    EXPECT_THAT(with(key, uint32_t{0}).message(), AllOf(HasSubstr(key), HasSubstr("got 0")));
    EXPECT_THAT(with(key, int32_t{-1}).message(), AllOf(HasSubstr(key), HasSubstr("got -1")));
  }
}

TEST(GgufConfig, RefusesContradictions) {
  EXPECT_THAT(with("attention.head_count_kv", uint32_t{3}).message(),
              HasSubstr("num_attention_heads 4 is not a multiple of num_key_value_heads 3"));
  EXPECT_THAT(with("attention.key_length", uint32_t{32}).message(),
              HasSubstr("rotary embedding of 64 of 32 dimensions is not supported"));
  EXPECT_THAT(with("rope.dimension_count", uint32_t{63}).message(),
              HasSubstr("head_dim must be even"));
  for (const float bad : {0.0f, -1.0f, 1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(with("attention.layer_norm_rms_epsilon", bad).message(),
                HasSubstr("rms_norm_eps must lie in (0, 1)"));
    EXPECT_THAT(with("rope.freq_base", bad).message(), HasSubstr("rope_theta must lie in"));
  }
}

TEST(GgufConfig, TheVocabularySizeIsTheEmbeddings) {
  EXPECT_TRUE(with("vocab_size", uint32_t{6}).config.ok());
  EXPECT_EQ(with("vocab_size", uint32_t{100}).message(),
            "m.gguf: key 'bitnet-b1.58.vocab_size' is 100, but tensor 'token_embd.weight' has 6 rows");
}

TEST(GgufConfig, RefusesExpertsAndWindows) {
  for (const uint32_t none : {0u, 128u}) {
    EXPECT_TRUE(with("attention.sliding_window", none).config.ok());
  }
  EXPECT_TRUE(with("expert_count", uint32_t{0}).config.ok());
  EXPECT_EQ(with("expert_count", uint32_t{8}).config.status().code(), Code::kUnsupported);
  EXPECT_THAT(with("expert_count", uint32_t{8}).message(),
              HasSubstr("m.gguf: key 'bitnet-b1.58.expert_count' is 8"));
  EXPECT_EQ(with("attention.sliding_window", uint32_t{127}).config.status().code(),
            Code::kUnsupported);
  EXPECT_THAT(with("attention.sliding_window", uint32_t{127}).message(),
              HasSubstr("key 'bitnet-b1.58.attention.sliding_window' is 127"));
}

TEST(GgufConfig, RefusesWhatIsNotComputed) {
  GgufFiles files = test::gguf_files();
  files.keys["general.architecture"] = "falcon";
  EXPECT_EQ(parse(files).config.status().code(), Code::kUnsupported);
  EXPECT_EQ(parse(files).message(),
            "m.gguf: general.architecture 'falcon' is not supported; expected " +
                gguf_family_names());
  files.keys["general.architecture"] = uint32_t{1};
  EXPECT_THAT(parse(files).message(), HasSubstr("general.architecture"));
  files.keys.erase("general.architecture");
  EXPECT_THAT(parse(files).message(), HasSubstr("general.architecture '' is not supported"));
  EXPECT_THAT(with("rope.scaling.type", "dynamic").message(),
              HasSubstr("rotary scaling 'dynamic' is not supported; expected linear, longrope or yarn"));
  for (const char* scaling : {"linear", "yarn"}) {
    EXPECT_THAT(with("rope.scaling.type", scaling).message(),
                HasSubstr("rope.scaling.factor' is missing"));
  }
  EXPECT_THAT(with("attention.value_length", uint32_t{32}).message(),
              HasSubstr("values of 32 dimensions beside keys of 64"));
  files = test::gguf_files();
  files.tensors.erase("token_embd.weight");
  EXPECT_EQ(parse(files).message(), "m.gguf: tensor 'token_embd.weight' is missing");
}

}  // namespace
}  // namespace rotor
