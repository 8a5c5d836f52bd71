// SPDX-License-Identifier: Apache-2.0
// A model written as GGUF is the model it was made from, in every type; a conversion that fails or is
// cancelled leaves the folder as it was.
#include "model/gguf_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <tuple>

#include "io/gguf.h"
#include "model/family.h"
#include "model/gguf_metadata.h"
#include "model/test_conversion.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using Granularity = TernaryScale::Granularity;

class GgufExport : public testing::Test, protected test::TestFolder {
 protected:
  Result<ConvertResult> convert(const ModelSource& source, GgufWeights type,
                                bool allow_rounding = false, const ProgressCallback& progress = {},
                                const CancelFlag* cancel = nullptr) {
    return convert_to_gguf(source, path("m.gguf"), type, allow_rounding, pool_, progress, cancel);
  }
  ModelSource reopen() {
    auto source = open_model_source(path("m.gguf"), {});
    EXPECT_TRUE(source.ok()) << source.status().message();
    return *std::move(source);
  }

  ThreadPool pool_{2};
};

using Variant = std::tuple<GgufWeights, FloatType, bool>;
class GgufExportVariants : public GgufExport, public testing::WithParamInterface<Variant> {};

TEST_P(GgufExportVariants, IsTheSameModel) {
  const auto [type, embed, tied] = GetParam();
  ModelConfig config = test::block_config();
  config.tied_head = tied;
  config.activation = tied ? Activation::kRelu2 : Activation::kSilu;
  config.rms_eps = 3e-6f;
  const ModelSource source = test_source(config, {.embed = embed});
  const auto result = convert(source, type);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->file_bytes, std::filesystem::file_size(path("m.gguf")));
  EXPECT_EQ(result->trits_sha256, test::trits_sha256(source));
  const ModelSource again = reopen();
  test::expect_same_model(source, again);
  EXPECT_EQ(again.embed.type, embed);
  EXPECT_EQ(again.config.name, config.name);
  const auto file = GgufFile::open(path("m.gguf"));
  EXPECT_EQ(**file->string(kGgufTritsKey), result->trits_sha256);
}

INSTANTIATE_TEST_SUITE_P(
    All, GgufExportVariants,
    testing::Combine(testing::ValuesIn(kAllGgufWeights),
                     testing::Values(FloatType::kF32, FloatType::kF16, FloatType::kBf16,
                                     FloatType::kQ8_0, FloatType::kQ6K, FloatType::kQ4_0,
                                     FloatType::kQ4K),
                     testing::Bool()));

// Rows of q and k in the order of the architecture's files, norms of heads and of matrices, every kind of
// rotary scaling.
TEST_F(GgufExport, KeepsEveryFamily) {
  for (const Family& family : families()) {
    if (!is_exported(family) || family.experts) {
      continue;
    }
    for (const RopeScaling& scaling :
         {RopeScaling(), RopeScaling{.type = RopeScalingType::kLinear, .factor = 2.5,
                                     .divisors = {}},
          RopeScaling{.type = RopeScalingType::kLlama3, .factor = 8.0, .original_context = 64.0,
                      .divisors = {}},
          RopeScaling{.type = RopeScalingType::kYarn, .factor = 4.0, .original_context = 128.0,
                      .attention_factor = yarn_attention_factor(4.0), .divisors = {}},
          RopeScaling{.type = RopeScalingType::kDivisors,
                      .divisors = std::vector<float>(32, 1.7f)}}) {
      ModelConfig config = test::block_config();
      config.family = family.name;
      config.attn_sub_norm = config.ffn_sub_norm = family.sub_norms;
      config.qk_norm = family.qk_norm;
      config.activation = Activation::kSilu;
      config.rope_scaling = scaling;
      config.input_norms = scaling.type == RopeScalingType::kYarn;
      config.pooling = config.input_norms ? Pooling::kLast : Pooling::kUnstated;
      const bool groups = scaling.type != RopeScalingType::kNone;
      const ModelSource source = test_source(
          config, {.scale = groups ? Granularity::kGroup : Granularity::kTensor});
      const auto result = convert(source, groups ? GgufWeights::kQ2_0 : GgufWeights::kI2S);
      ASSERT_TRUE(result.ok()) << result.status().message();
      EXPECT_EQ(result->trits_sha256, test::trits_sha256(source));
      test::expect_same_model(source, reopen());
    }
  }
}

ModelConfig experts_of_blocks() {
  ModelConfig config = experts_config();
  config.hidden = 256;
  config.ffn = 256;
  config.heads = 4;
  config.head_dim = 64;
  config.rotary_dims = 32;
  return config;
}

// Three dimensions, the router, the keys of windows and of the bound.
TEST_F(GgufExport, KeepsExperts) {
  for (const auto& [scale, type] : {std::pair(Granularity::kRow, GgufWeights::kTQ2_0),
                                    std::pair(Granularity::kGroup, GgufWeights::kQ2_0)}) {
    for (const bool windows : {true, false}) {
      ModelConfig config = experts_of_blocks();
      config.gate_limit = windows ? 7.0f : 0.0f;
      config.attention_window = windows ? 70 : 0;
      config.global_every = windows ? 2 : 0;
      const ModelSource source = test_source(config, {.scale = scale});
      const auto result = convert(source, type, scale == Granularity::kRow);
      ASSERT_TRUE(result.ok()) << result.status().message();
      EXPECT_EQ(result->trits_sha256, test::trits_sha256(source));
      const ModelSource again = reopen();
      EXPECT_EQ(again.config.experts_used, config.experts_used);
      EXPECT_EQ(again.config.gate_limit, config.gate_limit);
      if (scale == Granularity::kGroup) {
        test::expect_same_model(source, again);
      }
    }
  }
}

TEST_F(GgufExport, NamesExpertsThatTheTypeCannotHold) {
  const ModelSource source = test_source(experts_of_blocks());  // one scale for all experts
  for (const GgufWeights type : {GgufWeights::kI2S, GgufWeights::kTQ2_0}) {
    const auto result = convert(source, type);
    EXPECT_EQ(result.status().code(), Code::kUnsupported);
    EXPECT_THAT(result.status().message(), HasSubstr("experts"));
  }
}

TEST_F(GgufExport, KeepsScalesOfRowsAndGroups) {
  for (const auto& [scale, group, type] :
       {std::tuple(Granularity::kRow, 64, GgufWeights::kTQ1_0),
        std::tuple(Granularity::kGroup, 64, GgufWeights::kQ2_0),
        std::tuple(Granularity::kGroup, 128, GgufWeights::kQ2_0),
        std::tuple(Granularity::kGroup, 128, GgufWeights::kQ2_0_128),
        std::tuple(Granularity::kGroup, 256, GgufWeights::kTQ2_0)}) {
    ModelSource source = test_source(
        test::block_config(),
        {.scale = scale, .group = {static_cast<size_t>(group), GroupScaleType::kF16}});
    for (LayerSource& layer : source.layers) {
      for (LinearSource& linear : layer.linear) {
        for (size_t i = 0; i < linear.scale.values.size(); ++i) {
          linear.scale.values[i] = 0x1p-5f + static_cast<float>(i % 512) * 0x1p-14f;
        }
      }
    }
    const auto result = convert(source, type);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_THAT(result->notes, testing::Each(testing::Not(HasSubstr("rounded"))));
    test::expect_same_model(source, reopen());
  }
}

TEST_F(GgufExport, RoundsScalesWhereThatIsAllowed) {
  put("m.gguf", "old");
  const ModelSource source = test_source(test::block_config(), {.scale = Granularity::kRow});
  const Status refused = convert(source, GgufWeights::kTQ2_0).status();
  EXPECT_EQ(refused.code(), Code::kUnsupported);
  EXPECT_THAT(refused.message(), HasSubstr("--allow-rounding"));
  EXPECT_EQ(get("m.gguf"), "old");
  EXPECT_EQ(entries(), 1u);
  const auto result = convert(source, GgufWeights::kTQ2_0, true);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_THAT(result->notes,
              testing::Contains(HasSubstr("rounded to binary16, by at most ")));
  EXPECT_EQ(test::trits_sha256(reopen()), test::trits_sha256(source));
}

TEST_F(GgufExport, KeepsTokenizerTemplateAndDefaults) {
  ModelConfig config = test::block_config();
  config.vocab = 600;
  ModelSource source = test_source(config);
  source.tokenizer = fixture_spec("llama3");
  source.chat_template = "{% for m in messages %}{{ m['content'] }}\xc3\xa9\n{% endfor %}";
  source.end_of_generation = {21, 22, 23, 24};
  source.generation_defaults = {.temperature = 0.7f, .top_p = 0.9f, .top_k = 40, .do_sample = true};
  ASSERT_TRUE(convert(source, GgufWeights::kI2S).ok());
  const ModelSource again = reopen();
  EXPECT_EQ(again.chat_template, source.chat_template);
  EXPECT_EQ(again.generation_defaults, source.generation_defaults);
  const Tokenizer before = make_tokenizer(*source.tokenizer);
  const Tokenizer after = make_tokenizer(*again.tokenizer);
  const std::string text = "Hello there, 12 cats\n\n<|eot_id|>";
  EXPECT_EQ(*after.encode(text), *before.encode(text));
  EXPECT_THAT(end_tokens(again), testing::IsSupersetOf({21, 22, 23, 24}));
}

// A block with scale 0 holds zeros for every reader.
TEST_F(GgufExport, TritsThatAScaleOfZeroWouldHideAreFound) {
  ModelSource source = test_source(test::block_config(), {.scale = Granularity::kRow});
  for (LayerSource& layer : source.layers) {
    for (LinearSource& linear : layer.linear) {
      std::fill(linear.scale.values.begin(), linear.scale.values.end(), 0.5f);
    }
  }
  source.layers[1].linear[3].scale.values[7] = 0.0f;
  const Status status = convert(source, GgufWeights::kQ2_0).status();
  EXPECT_EQ(status.code(), Code::kVerificationFailed);
  EXPECT_THAT(status.message(), HasSubstr("SHA-256"));
  EXPECT_EQ(entries(), 0u);
}

TEST_F(GgufExport, TheSameBytesWithAnyNumberOfThreads) {
  const ModelSource source = test_source(test::block_config());
  ASSERT_TRUE(convert(source, GgufWeights::kTQ1_0).ok());
  const std::string first = get("m.gguf");
  ThreadPool one(1);
  ASSERT_TRUE(
      convert_to_gguf(source, path("m.gguf"), GgufWeights::kTQ1_0, false, one, {}, nullptr).ok());
  EXPECT_EQ(get("m.gguf"), first);
}

TEST_F(GgufExport, CancelledAnywhereTheOldFileStays) {
  const ModelSource source = test_source(test::block_config());
  put("m.gguf", "old");
  test::expect_cancel_anywhere(
      [&](const ProgressCallback& progress, const CancelFlag* cancel) {
        return convert(source, GgufWeights::kQ2_0, false, progress, cancel);
      },
      [&] {
        EXPECT_EQ(get("m.gguf"), "old");
        EXPECT_EQ(entries(), 1u);
      });
  EXPECT_NE(get("m.gguf"), "old");
}

TEST_F(GgufExport, AFullDiskLeavesTheOldFile) {
  const ModelSource source = test_source(test::block_config());
  const auto whole = convert(source, GgufWeights::kI2S);
  ASSERT_TRUE(whole.ok());
  put("m.gguf", "old");
  for (const uint64_t room : {uint64_t{0}, uint64_t{100}, whole->file_bytes / 3,
                              whole->file_bytes / 3 * 2, whole->file_bytes - 1}) {
    const test::FullDisk disk(room);
    const auto result = convert(source, GgufWeights::kI2S);
    EXPECT_EQ(result.status().code(), Code::kIoError) << room;
    EXPECT_THAT(result.status().message(), HasSubstr(path("m.gguf")));
    EXPECT_EQ(get("m.gguf"), "old");
    EXPECT_EQ(entries(), 1u);
  }
}

TEST_F(GgufExport, AFolderIsNoFile) {
  std::filesystem::create_directory(path("m.gguf"));
  EXPECT_EQ(convert(test_source(test::block_config()), GgufWeights::kI2S).status().code(),
            Code::kInvalidArgument);
}

}  // namespace
}  // namespace rotor
