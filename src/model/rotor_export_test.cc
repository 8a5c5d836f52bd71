// SPDX-License-Identifier: Apache-2.0
// A converted model is the model it was made from, and a conversion that fails or is cancelled
// leaves the folder as it was.
#include "model/rotor_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <tuple>

#include "base/test_folder.h"
#include "base/test_full_disk.h"
#include "model/loader.h"
#include "model/rotor_config.h"
#include "model/test_model.h"
#include "model/trit_hash.h"
#include "text/tokenizer_fixtures.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

using testing::HasSubstr;

class Convert : public testing::Test, protected test::TestFolder {
 protected:
  Result<ConvertResult> convert(const ModelSource& source, const std::string& name,
                                const ProgressCallback& progress = {},
                                const CancelFlag* cancel = nullptr) {
    return convert_to_rotor(source, path(name), pool_, progress, cancel);
  }

  std::shared_ptr<const Model> load(ModelSource source) {
    auto model = load_model(std::move(source), {}, pool_);
    EXPECT_TRUE(model.ok()) << model.status().message();
    return *model;
  }
  ModelSource reopen(const std::string& name) {
    auto source = open_model_source(path(name), {});
    EXPECT_TRUE(source.ok()) << source.status().message();
    return *std::move(source);
  }

  ThreadPool pool_{2};
};

std::string_view bytes_of(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

void expect_same_layer(const LayerWeights& a, const LayerWeights& b) {
  for (size_t i = 0; i < kNormRoles; ++i) {
    const NormRole role = static_cast<NormRole>(i);
    EXPECT_EQ(a.norm(role), b.norm(role)) << norm_role_name(role);
  }
  for (const auto linear : {&LayerWeights::q, &LayerWeights::k, &LayerWeights::v, &LayerWeights::o,
                            &LayerWeights::gate, &LayerWeights::up, &LayerWeights::down}) {
    EXPECT_EQ((a.*linear).matrix.scale.granularity, (b.*linear).matrix.scale.granularity);
    EXPECT_EQ((a.*linear).matrix.scale.values, (b.*linear).matrix.scale.values);
    EXPECT_EQ((a.*linear).input_norm, (b.*linear).input_norm);
  }
}

void expect_same_weights(const Weights& a, const Weights& b) {
  EXPECT_EQ(bytes_of(a.packed), bytes_of(b.packed));
  EXPECT_EQ(a.embed.type, b.embed.type);
  EXPECT_EQ(bytes_of(a.embed.data), bytes_of(b.embed.data));
  EXPECT_EQ(a.head.rows, b.head.rows);
  EXPECT_EQ(bytes_of(a.head.data), bytes_of(b.head.data));
  EXPECT_EQ(a.output_norm, b.output_norm);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    expect_same_layer(a.layers[i], b.layers[i]);
  }
}

using Granularity = TernaryScale::Granularity;
using Variant = std::tuple<FloatType, Granularity, bool>;

class ConvertVariants : public Convert, public testing::WithParamInterface<Variant> {};

TEST_P(ConvertVariants, LoadsAsTheSameModel) {
  const auto [type, scale, tied] = GetParam();
  ModelConfig config = test_config();
  const bool blocks = !is_plain_float(type);
  config.hidden = blocks ? 256 : config.hidden;
  config.tied_head = tied;
  config.attn_sub_norm = tied;  // as good a flag as any to try both
  config.ffn_sub_norm = !tied;
  config.activation = tied ? Activation::kRelu2 : Activation::kSilu;
  config.attention_window = tied ? 0 : 300;
  config.rms_eps = 3e-6f;
  config.rope_theta = 10000.0 / 3.0;
  config.family = tied ? "bitnet" : "qwen3";
  config.qk_norm = !tied;
  config.input_norms = !tied;
  config.pooling = tied ? Pooling::kUnstated : Pooling::kLast;
  if (!tied) {
    config.rope_scaling.type = RopeScalingType::kYarn;
    config.rope_scaling.factor = 10.0 / 3.0;
    config.rope_scaling.original_context = 100.0;
  }
  const TestModelOptions options = {.embed = type, .scale = scale};
  const ModelSource source = test_source(config, options);
  const auto result = convert(source, "m.rotor");
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->file_bytes, std::filesystem::file_size(path("m.rotor")));

  const ModelSource again = reopen("m.rotor");
  EXPECT_EQ(again.config, config);
  for (const ModelSource* s : {&source, &again}) {
    const auto trits = trit_statistics(*s, pool_, {});
    ASSERT_TRUE(trits.ok()) << trits.status().message();
    EXPECT_EQ(trits->sha256, result->trits_sha256);
  }
  expect_same_weights(load(test_source(config, options))->weights,
                      load(reopen("m.rotor"))->weights);
}

// The scales of groups keep their type and their bits.
TEST_F(Convert, KeepsScalesOfGroups) {
  ModelConfig config = test_config();
  config.hidden = 200;
  config.ffn = 330;
  for (const size_t cols : kGroupCols) {
    for (const GroupScaleType type : {GroupScaleType::kF16, GroupScaleType::kF32}) {
      const TestModelOptions options = {.scale = Granularity::kGroup, .group = {cols, type}};
      ModelSource source = test_source(config, options);
      const auto result = convert(source, "m.rotor");
      ASSERT_TRUE(result.ok()) << result.status().message();
      const ModelSource again = reopen("m.rotor");
      for (size_t i = 0; i < config.layers; ++i) {
        for (size_t r = 0; r < kLinearRoles; ++r) {
          const LinearSource& linear = again.layers[i].linear[r];
          EXPECT_EQ(linear.scale.granularity, Granularity::kGroup);
          EXPECT_EQ(linear.scale.group.type, type);
          if (linear.trits->cols() > 256) {  // more than one group of any size
            EXPECT_EQ(linear.scale.group.cols, cols);
          }
          EXPECT_EQ(all_group_scales(linear), all_group_scales(source.layers[i].linear[r]));
        }
      }
      expect_same_weights(load(std::move(source))->weights, load(reopen("m.rotor"))->weights);
    }
  }
}

TEST_F(Convert, AScaleThatItsTypeCannotHoldIsAnError) {
  put("m.rotor", "old");
  const TestModelOptions options = {.scale = Granularity::kGroup};
  ModelSource source = test_source(test_config(), options);
  std::vector<float> scales = all_group_scales(source.layers[0].linear[6]);
  scales[39] = 0.1f;
  source.layers[0].linear[6].group_scales = std::make_unique<VectorGroupScales>(1, scales);
  const Status status = convert(source, "m.rotor").status();
  EXPECT_EQ(status.code(), Code::kVerificationFailed);
  EXPECT_THAT(status.message(), HasSubstr("'layers.0.down', rows from 32: a scale is no number"));
  EXPECT_EQ(get("m.rotor"), "old");
}

INSTANTIATE_TEST_SUITE_P(All, ConvertVariants,
                         testing::Combine(testing::Values(FloatType::kF32, FloatType::kF16,
                                                          FloatType::kBf16, FloatType::kQ8_0,
                                                          FloatType::kQ6K, FloatType::kQ4_0,
                                                          FloatType::kQ4K),
                                          testing::Values(Granularity::kTensor, Granularity::kRow),
                                          testing::Bool()));

TEST_F(Convert, KeepsTokenizerTemplateAndDefaults) {
  ModelConfig config = test_config();
  config.vocab = 600;
  ModelSource source = test_source(config);
  source.tokenizer = fixture_spec("llama3");
  source.chat_template = "{% for m in messages %}{{ m['content'] }}\xc3\xa9\n{% endfor %}";
  source.end_of_generation = {7, 3};
  source.generation_defaults = {.temperature = 0.7f, .top_p = 0.9f, .top_k = 40, .do_sample = true};
  source.notes = {"a \"note\""};
  ASSERT_TRUE(convert(source, "m.rotor").ok());
  const ModelSource again = reopen("m.rotor");
  EXPECT_EQ(*write_tokenizer_json(*again.tokenizer), *write_tokenizer_json(*source.tokenizer));
  EXPECT_EQ(again.chat_template, source.chat_template);
  EXPECT_EQ(again.generation_defaults, source.generation_defaults);
  EXPECT_EQ(again.notes, source.notes);
  EXPECT_EQ(load(reopen("m.rotor"))->end_of_generation, load(std::move(source))->end_of_generation);
}

TEST_F(Convert, RefusesWhatItsOwnReaderWouldRefuse) {
  ModelSource source = test_source(test_config());
  source.notes = {std::string(kMaxRotorConfigBytes, 'x')};
  const Status status = convert(source, "m.rotor").status();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("at most 1048576"));
  EXPECT_FALSE(std::filesystem::exists(path("m.rotor")));
}

// GGUF names the tokens that end an answer in its vocabulary, where tokenizer.json has no place.
TEST_F(Convert, KeepsTheEndTokensOfTheTokenizer) {
  ModelConfig config = test_config();
  config.vocab = 600;
  ModelSource source = test_source(config);
  source.tokenizer = fixture_spec("llama3");
  source.tokenizer->eos = 11;
  source.tokenizer->eot = 12;
  source.tokenizer->end_of_generation = {13};
  source.end_of_generation = {14};
  ASSERT_TRUE(convert(source, "m.rotor").ok());
  const std::vector<TokenId> ends = load(reopen("m.rotor"))->end_of_generation;
  EXPECT_THAT(ends, testing::IsSupersetOf({11, 12, 13, 14}));
  EXPECT_EQ(ends, load(std::move(source))->end_of_generation);
}

TEST_F(Convert, TheSameBytesWithAnyNumberOfThreads) {
  const ModelSource source = test_source(test_config());
  ThreadPool one(1);
  ASSERT_TRUE(convert(source, "a.rotor").ok());
  ASSERT_TRUE(convert_to_rotor(source, path("b.rotor"), one, {}, nullptr).ok());
  EXPECT_EQ(get("a.rotor"), get("b.rotor"));
}

// Cancels at each report of progress in turn; only the last comes too late.
TEST_F(Convert, CancelledAnywhereTheOldFileStays) {
  const ModelSource source = test_source(test_config());
  put("m.rotor", "old");
  size_t at = 1;
  for (bool finished = false; !finished; ++at) {
    CancelFlag cancel;
    size_t calls = 0;
    const auto result = convert(
        source, "m.rotor",
        [&](std::string_view, uint64_t done, uint64_t total) {
          EXPECT_LE(done, total);
          if (++calls == at) {
            cancel.cancel();
          }
        },
        &cancel);
    EXPECT_EQ(calls, at);
    EXPECT_EQ(entries(), 1u);
    finished = result.ok();
    if (!finished) {
      EXPECT_EQ(result.status().code(), Code::kCancelled);
      EXPECT_EQ(get("m.rotor"), "old");
    }
  }
  EXPECT_EQ(at - 1, source.layers.size() + 1);  // each layer, and the embedding
  EXPECT_NE(get("m.rotor"), "old");
}

TEST_F(Convert, AFullDiskLeavesTheOldFile) {
  const ModelSource source = test_source(test_config());
  const auto whole = convert(source, "whole.rotor");
  ASSERT_TRUE(whole.ok());
  put("m.rotor", "old");
  for (const uint64_t room : {uint64_t{0}, uint64_t{100}, whole->file_bytes / 3,
                              whole->file_bytes / 3 * 2, whole->file_bytes - 1}) {
    const test::FullDisk disk(room);
    const auto result = convert(source, "m.rotor");
    EXPECT_EQ(result.status().code(), Code::kIoError) << room;
    EXPECT_THAT(result.status().message(), HasSubstr(path("m.rotor")));
    EXPECT_EQ(get("m.rotor"), "old");
    EXPECT_EQ(entries(), 2u);
  }
  EXPECT_EQ(convert(source, "absent/m.rotor").status().code(), Code::kIoError);
}

TEST_F(Convert, ASourceThatFailsLeavesTheOldFile) {
  put("m.rotor", "old");
  ModelSource source = test_source(test_config());
  source.layers[1].linear[6].trits = std::make_unique<BrokenTrits>(40, 56, "the disk is gone");
  EXPECT_EQ(convert(source, "m.rotor").status().message(), "the disk is gone");
  EXPECT_EQ(get("m.rotor"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Convert, NeverWritesOverItsInput) {
  ASSERT_TRUE(convert(test_source(test_config()), "m.rotor").ok());
  const std::string before = get("m.rotor");
  const ModelSource source = reopen("m.rotor");
  std::filesystem::create_symlink(path("m.rotor"), path("link.rotor"));
  for (const char* name : {"m.rotor", "link.rotor", "./m.rotor", "."}) {
    EXPECT_EQ(convert(source, name).status().code(), Code::kInvalidArgument) << name;
  }
  EXPECT_EQ(get("m.rotor"), before);
  EXPECT_EQ(entries(), 2u);
}

TEST_F(Convert, NeverWritesOverAFileOfItsInputFolder) {
  put("model-00001-of-00002.safetensors", "a shard");
  std::filesystem::create_symlink(path("model-00001-of-00002.safetensors"), path() + ".link");
  ModelSource source = test_source(test_config());
  source.path = path();
  for (const std::string& target : {path("model-00001-of-00002.safetensors"), path() + ".link"}) {
    EXPECT_THAT(convert_to_rotor(source, target, pool_, {}, nullptr).status().message(),
                HasSubstr("the output is a file of the input folder"));
  }
  std::filesystem::remove(path() + ".link");
  EXPECT_EQ(get("model-00001-of-00002.safetensors"), "a shard");
  EXPECT_TRUE(convert(source, "new.rotor").ok());
}

}  // namespace
}  // namespace rotor
