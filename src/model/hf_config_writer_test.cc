// SPDX-License-Identifier: Apache-2.0
// What is written reads back.
#include "model/hf_config_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/family.h"
#include "model/hf_config.h"
#include "model/test_model.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(HfConfigWriter, ReadsBack) {
  for (const bool tied : {true, false}) {
    ModelConfig config = test_config();
    config.name = "";
    config.tied_head = tied;
    config.activation = tied ? Activation::kRelu2 : Activation::kSilu;
    config.rms_eps = 3.3e-6f;
    config.rope_theta = 10000.0 / 3.0;
    const ModelSource source = test_source(config);
    const auto again = parse_hf_config(write_hf_config(source, FloatType::kBf16, HfScale::kMultiplies, {4, 7}), "c");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->model, config);
    EXPECT_THAT(again->eos, ElementsAre(4, 7));
    EXPECT_TRUE(again->quantization.scale_multiplies);
    EXPECT_FALSE(again->quantization.online);
  }
}

TEST(HfConfigWriter, EveryFamilyReadsBack) {
  for (const Family& family : families()) {
    if (!is_exported(family) || family.experts) {  // which hf_export refuses
      continue;
    }
    for (const RopeScalingType type : {RopeScalingType::kNone, RopeScalingType::kLinear,
                                       RopeScalingType::kLlama3, RopeScalingType::kYarn}) {
      ModelConfig config = test_config();
      config.name = "";
      config.family = family.name;
      config.attn_sub_norm = config.ffn_sub_norm = family.sub_norms;
      config.qk_norm = family.qk_norm;
      config.head_dim = 12;
      if (type != RopeScalingType::kNone) {
        config.rope_scaling = {.type = type, .factor = 10.0 / 3.0, .original_context = 512.0,
                               .divisors = {}};
      }
      if (type != RopeScalingType::kNone && type != RopeScalingType::kLinear) {
        config.rope_scaling.original_context = 128.0;
      }
      if (type == RopeScalingType::kYarn) {
        config.rope_scaling.attention_factor = family.qk_norm ? 0.7 : yarn_attention_factor(10.0 / 3.0);
        config.rope_scaling.truncate = !family.qk_norm;
        config.rope_scaling.beta_fast = 8.0;
      }
      const ModelSource source = test_source(config);
      const std::string text = write_hf_config(source, FloatType::kBf16, HfScale::kDivides, {});
      const auto again = parse_hf_config(text, "c");
      ASSERT_TRUE(again.ok()) << again.status().message();
      EXPECT_EQ(again->model, config) << text;
      EXPECT_FALSE(again->quantization.scale_multiplies);
      EXPECT_THAT(text, HasSubstr(std::string(family_of(config).hf_class)));
    }
  }
}

TEST(HfConfigWriter, NormsOfMatricesAndPooling) {
  ModelConfig config = test_config();
  config.name = "";
  config.input_norms = true;
  const std::string text =
      write_hf_config(test_source(config), FloatType::kF32, HfScale::kMultiplies, {});
  EXPECT_EQ(parse_hf_config(text, "c")->model, config);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    config.pooling = pooling;
    EXPECT_EQ(*parse_pooling_config(write_pooling_config(config), "p"), pooling);
  }
}

TEST(HfConfigWriter, NumbersAreSpelledShort) {
  ModelSource source = test_source(test_config());
  source.generation_defaults = {.temperature = 0.6f, .top_p = 0.9f, .top_k = 3, .do_sample = true};
  const std::string config = write_hf_config(source, FloatType::kF16, HfScale::kDivides, {});
  EXPECT_THAT(config, HasSubstr("\"rms_norm_eps\":1E-5"));
  EXPECT_THAT(config, HasSubstr("\"torch_dtype\":\"float16\""));
  EXPECT_THAT(config, HasSubstr("\"eos_token_id\":null"));
  std::vector<TokenId> ends;
  const auto again = parse_generation_config(write_generation_config(source, {5}), "g", ends);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(*again, source.generation_defaults);
  EXPECT_THAT(ends, ElementsAre(5));
}

TEST(HfConfigWriter, TokenizerConfigHoldsTheTemplate) {
  ModelSource source = test_source(test_config());
  source.tokenizer = fixture_spec("llama3");
  source.chat_template = "{{ messages }}\n\"quoted\" \xc3\xa9";
  source.end_of_generation = {0};
  const std::string text = write_tokenizer_config(source);
  EXPECT_EQ(*parse_chat_template(text, "t"), source.chat_template);
  EXPECT_THAT(text, HasSubstr("\"eos_token\":"));
  source.end_of_generation = {1'000'000};
  EXPECT_THAT(write_tokenizer_config(source), testing::Not(HasSubstr("\"eos_token\":")));
}

}  // namespace
}  // namespace rotor
