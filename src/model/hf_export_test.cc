// SPDX-License-Identifier: Apache-2.0
// A model written as a Hugging Face folder is the model it was made from; a conversion that fails or is
// cancelled leaves nothing.
#include "model/hf_export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <tuple>

#include "io/safetensors.h"
#include "model/test_conversion.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_test_file.h"
#include "text/sentencepiece_writer.h"
#include "text/tokenizer_fixtures.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Granularity = TernaryScale::Granularity;

class HfExport : public testing::Test, protected test::TestFolder {
 protected:
  Result<ConvertResult> convert(const ModelSource& source, uint64_t shard_bytes = kHfShardBytes,
                                const ProgressCallback& progress = {},
                                const CancelFlag* cancel = nullptr) {
    return convert_to_hf(source, path("m"), shard_bytes, pool_, progress, cancel);
  }
  ModelSource reopen() {
    auto source = open_model_source(path("m"), {});
    EXPECT_TRUE(source.ok()) << source.status().message();
    return *std::move(source);
  }
  uint64_t folder_bytes() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path("m"))) {
      bytes += entry.file_size();
    }
    return bytes;
  }

  ThreadPool pool_{2};
};

using Variant = std::tuple<FloatType, bool>;
class HfExportVariants : public HfExport, public testing::WithParamInterface<Variant> {};

TEST_P(HfExportVariants, IsTheSameModel) {
  const auto [embed, tied] = GetParam();
  ModelConfig config = is_plain_float(embed) ? test_config() : test::block_config();
  config.tied_head = tied;
  config.activation = tied ? Activation::kRelu2 : Activation::kSilu;
  config.rope_theta = 10000.0 / 3.0;
  const ModelSource source = test_source(config, {.embed = embed});
  const auto result = convert(source);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->file_bytes, folder_bytes());
  EXPECT_EQ(result->trits_sha256, test::trits_sha256(source));
  const ModelSource again = reopen();
  test::expect_same_model(source, again);
  EXPECT_THAT(again.warnings, testing::Each(HasSubstr("tokenizer")));
  EXPECT_EQ(again.embed.type, is_plain_float(embed) ? embed : FloatType::kF32);
}

INSTANTIATE_TEST_SUITE_P(All, HfExportVariants,
                         testing::Combine(testing::Values(FloatType::kF32, FloatType::kF16,
                                                          FloatType::kBf16, FloatType::kQ8_0,
                                                          FloatType::kQ6K, FloatType::kQ4_0,
                                                          FloatType::kQ4K),
                                          testing::Bool()));

TEST_F(HfExport, CutsLargeModelsIntoSeveralFiles) {
  for (const uint64_t shard_bytes : {uint64_t{1}, uint64_t{13000}, uint64_t{20000}}) {
    std::filesystem::remove_all(path("m"));
    ModelConfig config = test_config();
    config.layers = 5;
    config.tied_head = false;
    const ModelSource source = test_source(config);
    const auto result = convert(source, shard_bytes);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(result->file_bytes, folder_bytes());
    EXPECT_TRUE(std::filesystem::exists(path("m/model.safetensors.index.json")));
    EXPECT_FALSE(std::filesystem::exists(path("m/model.safetensors")));
    if (shard_bytes == 1) {  // embedding, layers, end
      EXPECT_TRUE(std::filesystem::exists(path("m/model-00007-of-00007.safetensors")));
    }
    test::expect_same_model(source, reopen());
  }
}

// Readers map tensors as they lie.
TEST_F(HfExport, TensorsStartAtAMultipleOfTheirElements) {
  ModelConfig config = test_config();
  config.hidden = 44;
  config.ffn = 51;
  ASSERT_TRUE(convert(test_source(config)).ok());
  const auto file = SafetensorsFile::open(path("m/model.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  for (const SafetensorsTensor& tensor : file->tensors()) {
    EXPECT_EQ(tensor.offset % (dtype_bits(tensor.dtype) / 8), 0u) << tensor.name;
  }
}

TEST_F(HfExport, NumbersThatTheModelsTypeLacksStayBinary32) {
  ModelSource source = test_source(test_config());
  for (LayerSource& layer : source.layers) {
    for (size_t r = 0; r < kLinearRoles; ++r) {
      layer.linear[r].scale.values = {r == 0 ? 0.3f : 0.125f};
    }
  }
  const auto result = convert(source);
  ASSERT_TRUE(result.ok());
  const auto file = SafetensorsFile::open(path("m/model.safetensors"));
  EXPECT_EQ(file->find("model.layers.0.self_attn.q_proj.weight_scale")->dtype, DType::kF32);
  EXPECT_EQ(file->find("model.layers.0.self_attn.k_proj.weight_scale")->dtype, DType::kBF16);
  EXPECT_THAT(result->notes, testing::Contains(HasSubstr("11 norms and scales are no numbers of bf")));
}

// What was stored as divisors is stored as divisors again, in the model's type.
TEST_F(HfExport, ScalesThatOnlyDivisorsGiveExactly) {
  ModelSource source = test_source(test_config());
  for (LayerSource& layer : source.layers) {
    for (LinearSource& linear : layer.linear) {
      linear.scale.values = {1.0f / 37.25f};
    }
  }
  ASSERT_TRUE(convert(source).ok());
  const auto file = SafetensorsFile::open(path("m/model.safetensors"));
  EXPECT_EQ(file->find("model.layers.0.self_attn.q_proj.weight_scale")->dtype, DType::kBF16);
  EXPECT_THAT(get("m/config.json"), HasSubstr("\"linear_class\":\"bitlinear\""));
  EXPECT_EQ(reopen().layers[1].linear[2].scale.values, std::vector<float>{1.0f / 37.25f});
}

TEST_F(HfExport, KeepsTokenizerTemplateAndDefaults) {
  ModelConfig config = test_config();
  config.vocab = 600;
  ModelSource source = test_source(config);
  source.tokenizer = fixture_spec("llama3");
  source.chat_template = "{% for m in messages %}{{ m['content'] }}\xc3\xa9\n{% endfor %}";
  source.end_of_generation = {3, 7};
  source.generation_defaults = {.temperature = 0.7f, .top_p = 0.9f, .top_k = 40, .do_sample = true};
  ASSERT_TRUE(convert(source).ok());
  const ModelSource again = reopen();
  EXPECT_EQ(*write_tokenizer_json(*again.tokenizer), *write_tokenizer_json(*source.tokenizer));
  EXPECT_EQ(again.chat_template, source.chat_template);
  EXPECT_EQ(again.generation_defaults, source.generation_defaults);
  EXPECT_EQ(end_tokens(again), end_tokens(source));
}

// transformers reads tokenizer.json, Rotor tokenizer.model: it has the scores, too.
TEST_F(HfExport, ASentencePieceTokenizerHasBothForms) {
  ModelSource source = test_source(test_config());
  source.tokenizer = *parse_sentencepiece(test::llama_bytes(), "t");
  source.tokenizer->add_eos = true;
  ASSERT_TRUE(convert(source).ok());
  const auto json = parse_tokenizer_json(get("m/tokenizer.json"), "json");
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_TRUE(json->add_bos && json->add_eos);
  EXPECT_THAT(get("m/tokenizer_config.json"), HasSubstr("\"add_eos_token\":true"));
  const ModelSource again = reopen();
  EXPECT_EQ(*write_sentencepiece(*again.tokenizer), *write_sentencepiece(*source.tokenizer));
  put("m/tokenizer.json", get("m/tokenizer.json") + "\n");  // edited: it goes before the other
  EXPECT_TRUE(reopen().tokenizer->scores.empty());
  std::filesystem::remove_all(path("m"));
  source.tokenizer->sentencepiece->charsmap = "map";
  const Status refused = convert(source).status();
  EXPECT_EQ(refused.code(), Code::kUnsupported);
  EXPECT_THAT(refused.message(), HasSubstr("a .rotor file keeps it"));
  EXPECT_EQ(entries(), 0u);
}

TEST_F(HfExport, RefusesWhatTheFormatCannotHold) {
  const auto refusal = [&](const ModelSource& source) {
    const Status status = convert(source).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_EQ(entries(), 0u);
    return status.message();
  };
  EXPECT_THAT(refusal(test_source(test_config(), {.scale = Granularity::kRow})),
              HasSubstr("'layers.0.q' has one multiplier a row; a .rotor file can hold it"));
  EXPECT_THAT(refusal(test_source(test_config(), {.scale = Granularity::kGroup})),
              HasSubstr("64 columns of a row (f16)"));
  ModelSource source = test_source(test_config());
  source.config.attention_window = 7;
  EXPECT_THAT(refusal(source), HasSubstr("window of 7"));
  source.config.attention_window = 0;
  source.layers[0].linear[1].scale.values = {0.0f};
  EXPECT_THAT(refusal(source), HasSubstr("that of tensor 'layers.0.k' is 0"));
  source = test_source(test_config());
  source.config.ffn_sub_norm = false;
  EXPECT_THAT(refusal(source), HasSubstr("without both inner norms"));
}

TEST_F(HfExport, AFolderWithFilesIsNotTouched) {
  std::filesystem::create_directory(path("m"));
  put("m/file", "mine");
  const Status status = convert(test_source(test_config())).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(get("m/file"), "mine");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(HfExport, CancelledAnywhereNothingStays) {
  const ModelSource source = test_source(test_config());
  test::expect_cancel_anywhere(
      [&](const ProgressCallback& progress, const CancelFlag* cancel) {
        return convert(source, 20000, progress, cancel);
      },
      [&] { EXPECT_EQ(entries(), 0u); });
  EXPECT_EQ(entries(), 1u);
}

TEST_F(HfExport, AFullDiskLeavesNothing) {
  const ModelSource source = test_source(test_config());
  ASSERT_TRUE(convert(source).ok());
  const uint64_t bytes = std::filesystem::file_size(path("m/model.safetensors"));
  std::filesystem::remove_all(path("m"));
  for (const uint64_t room : {uint64_t{0}, uint64_t{100}, uint64_t{1000}, bytes / 2, bytes - 1}) {
    const test::FullDisk disk(room);
    const auto result = convert(source);
    EXPECT_EQ(result.status().code(), Code::kIoError) << room;
    EXPECT_THAT(result.status().message(), HasSubstr(path("m")));
    EXPECT_EQ(entries(), 0u);
  }
}

}  // namespace
}  // namespace rotor
