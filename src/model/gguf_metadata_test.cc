// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "model/test_conversion.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class GgufMetadata : public testing::Test {
 protected:
  Status build(GgufWeights type, bool allow_rounding = false) {
    notes_.clear();
    auto entries = gguf_metadata(source_, type, allow_rounding, notes_);
    entries_ = entries.ok() ? *entries : std::vector<GgufWriter::Entry>();
    return entries.status();
  }
  const GgufWriter::Value* find(const std::string& key) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const auto& entry) { return entry.key == key; });
    return found == entries_.end() ? nullptr : &found->value;
  }
  template <typename T>
  T get(const std::string& key) const {
    const GgufWriter::Value* value = find(key);
    EXPECT_NE(value, nullptr) << key;
    return value == nullptr ? T() : std::get<T>(*value);
  }

  ModelSource source_ = test_source(test::block_config());
  std::vector<GgufWriter::Entry> entries_;
  std::vector<std::string> notes_;
};

// The official form for bitnet.cpp's type, the one that llama.cpp reads for its own.
TEST_F(GgufMetadata, TheArchitectureFollowsTypeAndActivation) {
  ASSERT_TRUE(build(GgufWeights::kI2S).ok());
  EXPECT_EQ(get<std::string>("general.architecture"), "bitnet-b1.58");
  EXPECT_EQ(get<uint32_t>("bitnet-b1.58.embedding_length"), 256u);
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_EQ(get<std::string>("general.architecture"), "bitnet");
  EXPECT_EQ(get<std::string>("bitnet.hidden_activation"), "relu2");
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("another model")));
  source_.config.activation = Activation::kSilu;
  ASSERT_TRUE(build(GgufWeights::kI2S).ok());
  EXPECT_EQ(get<std::string>("general.architecture"), "bitnet");
  EXPECT_EQ(get<std::string>("bitnet.hidden_activation"), "silu");
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(GgufMetadata, OtherFamiliesHaveTheirArchitecture) {
  for (const std::string family : {"llama", "qwen3"}) {
    source_.config.family = family;
    source_.config.attn_sub_norm = source_.config.ffn_sub_norm = false;
    source_.config.qk_norm = family == "qwen3";
    source_.config.activation = Activation::kRelu2;
    EXPECT_EQ(build(GgufWeights::kI2S).code(), Code::kUnsupported);
    source_.config.activation = Activation::kSilu;
    source_.config.tied_head = false;
    ASSERT_TRUE(build(GgufWeights::kI2S).ok());
    EXPECT_EQ(get<std::string>("general.architecture"), family);
    EXPECT_EQ(get<uint32_t>(family + ".attention.key_length"), 64u);
    EXPECT_EQ(find(family + ".hidden_activation"), nullptr);
    EXPECT_EQ(find(family + ".pooling_type"), nullptr);
    EXPECT_THAT(notes_, IsEmpty());
    source_.config.input_norms = true;
    source_.config.pooling = Pooling::kLast;
    ASSERT_TRUE(build(GgufWeights::kTQ2_0).ok());
    EXPECT_EQ(get<uint32_t>(family + ".pooling_type"), 3u);
    EXPECT_THAT(notes_, ElementsAre(HasSubstr("attn_q_norm_in")));
    source_.config.input_norms = false;
    source_.config.pooling = Pooling::kUnstated;
  }
}

TEST_F(GgufMetadata, RotaryScaling) {
  RopeScaling& scaling = source_.config.rope_scaling;
  scaling = {.type = RopeScalingType::kLinear, .factor = 2.5, .divisors = {}};
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_EQ(get<std::string>("bitnet.rope.scaling.type"), "linear");
  EXPECT_EQ(get<float>("bitnet.rope.scaling.factor"), 2.5f);
  scaling = {.type = RopeScalingType::kYarn, .factor = 4.0, .original_context = 128.0,
             .attention_factor = yarn_attention_factor(4.0), .divisors = {}};
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_EQ(get<uint32_t>("bitnet.rope.scaling.original_context_length"), 128u);
  EXPECT_EQ(get<float>("bitnet.rope.scaling.yarn_beta_fast"), 32.0f);
  EXPECT_THAT(notes_, testing::Not(Contains(HasSubstr("beta_fast"))));
  scaling.beta_fast = 8.0;
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_THAT(notes_, Contains(HasSubstr("may compute with 32 and 1")));
  scaling.truncate = false;
  EXPECT_EQ(build(GgufWeights::kTQ1_0, true).code(), Code::kUnsupported);
  scaling.truncate = true;
  scaling.attention_factor = 1.0;
  EXPECT_EQ(build(GgufWeights::kTQ1_0, true).code(), Code::kUnsupported);
  scaling = {.type = RopeScalingType::kLlama3, .factor = 0.1 + 8.0, .original_context = 128.0,
             .divisors = {}};
  EXPECT_THAT(build(GgufWeights::kTQ1_0).message(), HasSubstr("--allow-rounding"));
  ASSERT_TRUE(build(GgufWeights::kTQ1_0, true).ok());
  EXPECT_EQ(get<float>("rotor.rope_llama3.factor"), 8.1f);
  EXPECT_THAT(notes_, Contains(HasSubstr("in the architecture llama alone")));
}

TEST_F(GgufMetadata, WithoutATokenizerItSaysSo) {
  source_.end_of_generation = {5};
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_EQ(get<std::string>("tokenizer.ggml.model"), "no_vocab");
  EXPECT_EQ(get<std::vector<int32_t>>("rotor.end_of_generation"), std::vector<int32_t>{5});
}

TEST_F(GgufMetadata, EndTokensFindTheirPlaces) {
  source_.config.vocab = 600;
  source_.tokenizer = fixture_spec("llama3");
  source_.end_of_generation = {21, 22, 23, 24};
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_EQ(get<uint32_t>("tokenizer.ggml.eos_token_id"), 21u);
  EXPECT_EQ(get<uint32_t>("tokenizer.ggml.eot_token_id"), 22u);
  EXPECT_EQ(get<uint32_t>("tokenizer.ggml.eom_token_id"), 23u);
  EXPECT_EQ(get<std::vector<int32_t>>("rotor.end_of_generation"), std::vector<int32_t>{24});
  EXPECT_THAT(notes_, Contains(HasSubstr("1 more tokens end")));
  EXPECT_THAT(get<std::vector<std::string>>("tokenizer.ggml.tokens"), SizeIs(600));
}

TEST_F(GgufMetadata, RefusesWhatNoKeyCanSay) {
  source_.config.rope_theta = 10000.0 / 3.0;
  EXPECT_THAT(build(GgufWeights::kI2S).message(), HasSubstr("rope_theta in binary32"));
  EXPECT_TRUE(build(GgufWeights::kI2S, true).ok());
  source_.config.rope_theta = 10000.0;
  source_.config.attention_window = 7;
  EXPECT_THAT(build(GgufWeights::kI2S).message(), HasSubstr("window of 7"));
  source_.config.attention_window = 0;
  source_.config.attn_sub_norm = false;
  EXPECT_THAT(build(GgufWeights::kI2S).message(), HasSubstr("without both inner norms"));
}

TEST_F(GgufMetadata, SaysWhatLlamaCppDoesNotRead) {
  source_.config.tied_head = false;
  source_.config.head_dim = 32;
  ASSERT_TRUE(build(GgufWeights::kTQ1_0).ok());
  EXPECT_THAT(notes_, Contains(HasSubstr("heads together")));
  EXPECT_THAT(notes_, Contains(HasSubstr("head is the embedding")));
}

}  // namespace
}  // namespace rotor
