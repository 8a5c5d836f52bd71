// SPDX-License-Identifier: Apache-2.0
// Hugging Face folders: every form of the weights gives the same trits, and each thing that can be
// wrong is refused by the name of its tensor.
#include "model/hf_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include <cmath>
#include <functional>
#include <limits>

#include "model/test_files.h"

namespace rotor {
namespace {

using test::HfFiles;
using test::TestFolder;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kUp = "model.layers.1.mlp.up_proj";
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Result<ModelSource> open(const HfFiles& files) {
  const TestFolder folder;
  files.write(folder);
  return hf_source(folder.path());
}

// What opening the packed model says after `change`.
std::string with(const std::function<void(HfFiles&)>& change) {
  HfFiles files = test::hf_files();
  change(files);
  const auto source = open(files);
  return source.ok() ? "accepted" : source.status().message();
}

// The hash of the trits that every form holds.
std::string expected_hash() { return test::trit_hash(*open(test::hf_files())); }

TEST(HfSource, PackedWeightsHoldTheTritsThatWerePacked) {
  const TestFolder folder;
  test::hf_files().write(folder);
  const auto source = hf_source(folder.path());
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->container, "Hugging Face safetensors");
  EXPECT_EQ(source->embed.type, FloatType::kBf16);
  EXPECT_FALSE(source->head);
  EXPECT_EQ(source->output_norm, std::vector<float>(256, 1.0f));
  EXPECT_EQ(source->layers[1].ffn_sub_norm, std::vector<float>(32, 1.0f));
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const LinearSource& linear = source->layers[layer].linear[static_cast<size_t>(role)];
    EXPECT_EQ(linear.layout, "hf packed u8");
    std::vector<int8_t> trits(linear.trits->rows() * linear.trits->cols());
    ASSERT_TRUE(linear.trits->read(0, linear.trits->rows() / 16, trits.data()).ok());
    EXPECT_EQ(trits, test::file_trits(layer, role));
    EXPECT_EQ(linear.scale.values, std::vector<float>{test::file_scale(role)});
  });
  EXPECT_EQ(source->warnings.size(), 1u);
  EXPECT_THAT(source->warnings, Contains(HasSubstr("no tokenizer: neither tokenizer.json nor")));
  EXPECT_TRUE(hf_source(folder.path("model.safetensors")).ok());
}

TEST(HfSource, WeightScaleDividesForBitlinear) {
  for (const char* fields : {R"({"quant_method":"bitnet"})",
                             R"({"quant_method":"bitnet","linear_class":"bitlinear"})"}) {
    HfFiles files = test::hf_files();
    files.config["quantization_config"] = fields;
    const auto source = open(files);
    ASSERT_TRUE(source.ok()) << source.status().message();
    const LinearRole role = LinearRole::kV;
    EXPECT_EQ(source->layers[0].linear[static_cast<size_t>(role)].scale.values,
              std::vector<float>{1.0f / test::file_scale(role)});
  }
  HfFiles files = test::hf_files();
  files.put_floats(kUp + ".weight_scale", {}, {0x1p-15f}, FloatType::kBf16);  // a scalar will do
  EXPECT_THAT(open(files)->warnings, Contains(AllOf(HasSubstr(kUp), HasSubstr("is unusual"))));
}

TEST(HfSource, MastersOfEveryFloatTypeGiveTheSameTrits) {
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    const auto source = open(test::hf_masters(type));
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(test::trit_hash(*source), expected_hash());
    EXPECT_THAT(source->layers[0].linear[0].layout, testing::EndsWith(" master"));
  }
}

TEST(HfSource, ShardsAreOneModel) {
  const HfFiles files = test::hf_files();
  const auto in_first = [](const std::string& name) { return name.starts_with("model.layers.0"); };
  const TestFolder folder;
  folder.put("config.json", files.config_json());
  folder.put("a.safetensors", files.weights(in_first));
  folder.put("b.safetensors", files.weights([&](const std::string& n) { return !in_first(n); }));
  const auto index = [&](const std::string& other) {
    std::string map;
    for (const auto& [name, tensor] : files.tensors) {
      map += (map.empty() ? "\"" : ",\"") + name + "\":\"" +
             (in_first(name) ? "a.safetensors" : other) + "\"";
    }
    folder.put("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
    const auto source = hf_source(folder.path());
    return source.ok() ? test::trit_hash(*source) : source.status().message();
  };
  EXPECT_EQ(index("b.safetensors"), expected_hash());
  EXPECT_THAT(index("c.safetensors"), AllOf(HasSubstr("model.safetensors.index.json names it"),
                                            HasSubstr("c.safetensors")));
  for (const char* outside : {"../b.safetensors", "/tmp/b.safetensors", ".."}) {
    EXPECT_THAT(index(outside), AllOf(HasSubstr("expected the name of a file in the same folder"),
                                      HasSubstr(outside)));
  }
}

TEST(HfSource, TiedAndSeparateHeads) {
  const auto head = [](HfFiles& files) {
    files.put_floats("lm_head.weight", {6, 256}, std::vector<float>(6 * 256, 0.5f),
                     FloatType::kF16);
  };
  HfFiles tied = test::hf_files();
  head(tied);
  const auto repaired = open(tied);
  ASSERT_TRUE(repaired.ok()) << repaired.status().message();
  EXPECT_FALSE(repaired->head);
  EXPECT_THAT(repaired->notes, Contains("lm_head.weight is ignored: config.json ties the head to "
                                        "the embedding"));
  HfFiles separate = test::hf_files();
  separate.config["tie_word_embeddings"] = "false";
  EXPECT_THAT(open(separate).status().message(), HasSubstr("'lm_head.weight' is missing"));
  head(separate);
  const auto source = open(separate);
  ASSERT_TRUE(source.ok()) << source.status().message();
  ASSERT_TRUE(source->head);
  EXPECT_EQ(source->head->type, FloatType::kF16);
  EXPECT_THAT(source->notes, IsEmpty());
}

TEST(HfSource, EndOfGenerationComesFromBothConfigs) {
  const TestFolder folder;
  HfFiles files = test::hf_files();
  files.config["eos_token_id"] = "5";
  files.write(folder);
  folder.put("generation_config.json", R"({"eos_token_id":[4,3],"top_k":7})");
  const auto source = hf_source(folder.path());
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_THAT(source->end_of_generation, testing::ElementsAre(5, 4, 3));
  EXPECT_EQ(source->generation_defaults.top_k, 7);
  folder.put("generation_config.json", R"({"eos_token_id":"x"})");
  EXPECT_THAT(hf_source(folder.path()).status().message(),
              HasSubstr("generation_config.json: 'eos_token_id': expected token ids"));
}

TEST(HfSource, MissingFiles) {
  const TestFolder folder;
  EXPECT_EQ(hf_source(folder.path()).status().code(), Code::kNotFound);
  EXPECT_THAT(hf_source(folder.path()).status().message(), HasSubstr("no config.json"));
  folder.put("config.json", test::hf_files().config_json());
  EXPECT_THAT(hf_source(folder.path()).status().message(), HasSubstr("holds neither model.safe"));
}

TEST(HfSource, MissingTensorsAreNamed) {
  for (const auto& [name, tensor] : test::hf_files().tensors) {
    const std::string gone = name;
    EXPECT_THAT(with([&](HfFiles& f) { f.tensors.erase(gone); }),
                HasSubstr("tensor '" + gone + "' is missing"));
  }
  EXPECT_THAT(with([](HfFiles& f) { f.config["num_hidden_layers"] = "3"; }),
              HasSubstr("tensor 'model.layers.2.self_attn.q_proj.weight' is missing"));
}

TEST(HfSource, WrongShapesAndTypesAreNamed) {
  for (const auto& [name, good] : test::hf_files().tensors) {
    const std::string bad = name;
    const HfFiles::Tensor& tensor = good;
    EXPECT_THAT(with([&](HfFiles& f) {
                  f.tensors[bad] = {tensor.dtype, {2, tensor.shape[0] / 2, 0}, ""};
                }),
                AllOf(HasSubstr(bad), HasSubstr("shape")))
        << bad;
    const char* integer = tensor.dtype == "U8" ? "I8" : tensor.dtype == "BF16" ? "I16" : "I32";
    EXPECT_THAT(with([&](HfFiles& f) { f.tensors[bad].dtype = integer; }),
                AllOf(HasSubstr("tensor '" + bad + "' at byte"),
                      HasSubstr("expected F32, F16 or BF16, got I")))
        << bad;
  }
  EXPECT_THAT(with([](HfFiles& f) { f.config["vocab_size"] = "7"; }),
              HasSubstr("expected shape [7, 256], got [6, 256]"));
}

TEST(HfSource, NumbersThatAreNoWeightsAreRefused) {
  for (const float bad : {kNan, HUGE_VALF, -HUGE_VALF}) {
    EXPECT_THAT(with([&](HfFiles& f) { f.put_floats(kUp + ".weight_scale", {1}, {bad}); }),
                AllOf(HasSubstr(kUp + ".weight_scale"), HasSubstr("expected a finite number")));
    EXPECT_THAT(with([&](HfFiles& f) {
                  std::vector<float> norm(256, 1.0f);
                  norm[7] = bad;
                  f.put_floats("model.norm.weight", {256}, norm, FloatType::kBf16);
                }),
                AllOf(HasSubstr("model.norm.weight"), HasSubstr("value 7: expected a finite")));
  }
  for (const float bad : {0.0f, -0.5f}) {
    EXPECT_THAT(with([&](HfFiles& f) { f.put_floats(kUp + ".weight_scale", {1}, {bad}); }),
                HasSubstr("expected a scale above zero, got"));
  }
  EXPECT_THAT(with([&](HfFiles& f) {
                f.put_floats(kUp + ".weight_scale", {2}, {1.0f, 1.0f});
              }),
              HasSubstr("expected one value, got shape [2]"));
  HfFiles masters = test::hf_masters(FloatType::kF32);
  masters.tensors[kUp + ".weight"].content.replace(4 * 300, 4, "\xff\xff\xff\x7f");
  EXPECT_THAT(open(masters).status().message(),
              AllOf(HasSubstr(kUp), HasSubstr("byte 1200 of its data: expected finite weights")));
}

// A scale so small that its inverse leaves binary32.
TEST(HfSource, ScalesWhoseInverseIsInfiniteAreRefused) {
  EXPECT_THAT(with([](HfFiles& f) {
                f.config["quantization_config"] = R"({"quant_method":"bitnet"})";
                f.put_floats(kUp + ".weight_scale", {1}, {0x1p-149f});
              }),
              AllOf(HasSubstr(kUp + ".weight_scale"), HasSubstr("finite")));
}

// Without a quantization_config floats are read where they hold trits times scales and nothing else.
TEST(HfSource, FloatsThatHoldTritsExactly) {
  const std::string expected = test::trit_hash(*open(test::hf_files()));
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    HfFiles files = test::hf_masters(type);
    files.config.erase("quantization_config");
    const auto source = open(files);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(test::trit_hash(*source), expected);
    const LinearSource& up = source->layers[1].linear[static_cast<size_t>(LinearRole::kUp)];
    EXPECT_EQ(up.scale.values, std::vector<float>{test::file_scale(LinearRole::kUp)});
    EXPECT_THAT(up.layout, HasSubstr("holding trits"));
  }
}

TEST(HfSource, FloatsAreNeverTernarisedSilently) {
  HfFiles files = test::hf_masters(FloatType::kBf16);
  files.config.erase("quantization_config");
  std::vector<float> ordinary(32 * 256);
  for (size_t i = 0; i < ordinary.size(); ++i) {
    ordinary[i] = std::sin(static_cast<float>(i));
  }
  files.put_floats(kUp + ".weight", {32, 256}, ordinary, FloatType::kBf16);
  const auto unannounced = open(files);
  EXPECT_EQ(unannounced.status().code(), Code::kUnsupported);
  EXPECT_THAT(unannounced.status().message(),
              AllOf(HasSubstr(kUp), HasSubstr("ordinary float weights are not ternarised silently"),
                    HasSubstr("in row 0, column 2"), HasSubstr("quantization_mode"),
                    HasSubstr("rounding would ruin it")));
  files.config["quantization_config"] = R"({"quant_method":"bitnet"})";
  EXPECT_THAT(open(files).status().message(), HasSubstr("expected packed U8 weights, got BF16"));
  EXPECT_THAT(with([](HfFiles& f) {
                f.config["quantization_config"] =
                    R"({"quant_method":"bitnet","quantization_mode":"online"})";
              }),
              HasSubstr("packed U8 weights, but config.json says quantization_mode online"));
}

void drop_sub_norms(HfFiles& files) {
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    files.tensors.erase(layer + std::string("self_attn.attn_sub_norm.weight"));
    files.tensors.erase(layer + std::string("mlp.ffn_sub_norm.weight"));
  }
}

// A family that defines no int8 activations, in floats that nothing says to be masters.
HfFiles plain_llama(FloatType type) {
  HfFiles files = test::hf_masters(type);
  files.config.erase("quantization_config");
  files.config["model_type"] = R"("llama")";
  drop_sub_norms(files);
  return files;
}

void put_ordinary(HfFiles& files, const std::string& name, FloatType type, size_t rows, size_t cols) {
  std::vector<float> ordinary(rows * cols);
  for (size_t i = 0; i < ordinary.size(); ++i) {
    ordinary[i] = std::sin(static_cast<float>(i));
  }
  files.put_floats(name + ".weight", {rows, cols}, ordinary, type);
}

TEST(HfSource, ActivationsStayFloatsWhereNothingSaysThatTheyAreRounded) {
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    const auto source = open(plain_llama(type));
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_TRUE(source->config.float_activations);
    EXPECT_FALSE(has_float_matrices(*source));
    EXPECT_EQ(test::trit_hash(*source), expected_hash());
    EXPECT_THAT(source->notes, Contains(HasSubstr("nothing says that activations are rounded")));
  }
  HfFiles said = plain_llama(FloatType::kF16);
  said.config["quantization_config"] =
      R"({"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"online"})";
  const auto masters = open(said);
  ASSERT_TRUE(masters.ok()) << masters.status().message();
  EXPECT_FALSE(masters->config.float_activations);
}

TEST(HfSource, OrdinaryFloatModels) {
  HfFiles files = plain_llama(FloatType::kBf16);
  const std::string first = "model.layers.0.self_attn.q_proj";
  put_ordinary(files, first, FloatType::kBf16, 256, 256);
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE(source->config.float_activations);
  EXPECT_TRUE(has_float_matrices(*source));
  EXPECT_THAT(source->warnings, Contains(HasSubstr("ordinary floats, not trits")));
  for (const LayerSource& layer : source->layers) {
    for (const LinearSource& linear : layer.linear) {
      EXPECT_EQ(linear.trits, nullptr);
      ASSERT_TRUE(linear.floats.has_value());
      EXPECT_EQ(linear.floats->type, FloatType::kBf16);
    }
  }
  // A matrix of another kind than the first is no reason to guess.
  HfFiles mixed = plain_llama(FloatType::kBf16);
  put_ordinary(mixed, kUp, FloatType::kBf16, 32, 256);
  EXPECT_THAT(open(mixed).status().message(), AllOf(HasSubstr(kUp), HasSubstr("a mixture of both")));
  files.tensors.erase("model.layers.1.mlp.down_proj.weight");
  EXPECT_THAT(open(files).status().message(), HasSubstr("down_proj.weight' is missing"));
}

TEST(HfSource, LlamaHasNoFurtherNorms) {
  HfFiles files = test::hf_files();
  files.config["model_type"] = R"("llama")";
  EXPECT_THAT(open(files).status().message(),
              AllOf(HasSubstr("_sub_norm.weight' belongs to a layer"), HasSubstr("of this family")));
  drop_sub_norms(files);
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->config.family, "llama");
  EXPECT_TRUE(source->layers[1].ffn_sub_norm.empty());
  EXPECT_EQ(test::trit_hash(*source), expected_hash());
}

// bitnet_b1_58-large and its kin: other names, and bits in place of a quantization_config.
TEST(HfSource, TheFirstBitnetsNamesOfTheNorms) {
  HfFiles files = test::hf_masters(FloatType::kF16);
  files.config.erase("quantization_config");
  files.config["model_type"] = R"("llama")";
  files.config["architectures"] = R"(["BitnetForCausalLM"])";
  files.config["weight_bits"] = "1";
  files.config["input_bits"] = "8";
  drop_sub_norms(files);
  EXPECT_THAT(open(files).status().message(),
              HasSubstr("tensor 'model.layers.0.self_attn.inner_attn_ln.weight' is missing"));
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    files.put_floats(layer + "self_attn.inner_attn_ln.weight", {256}, std::vector<float>(256, 2));
    files.put_floats(layer + "mlp.ffn_layernorm.weight", {32}, std::vector<float>(32, 3));
  }
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->config.family, "bitnet");
  EXPECT_EQ(source->layers[1].attn_sub_norm, std::vector<float>(256, 2));
  EXPECT_EQ(source->layers[0].ffn_sub_norm, std::vector<float>(32, 3));
  EXPECT_EQ(test::trit_hash(*source), expected_hash());
}

// BitNet-embedding-0.6B: saved without a head and without a word on quantisation.
TEST(HfSource, NormsOfMatricesAndNamesWithoutAPrefix) {
  HfFiles with_prefix = test::hf_masters(FloatType::kBf16);
  drop_sub_norms(with_prefix);
  HfFiles files = with_prefix;
  files.tensors.clear();
  for (const auto& [name, tensor] : with_prefix.tensors) {
    files.tensors[name.substr(std::string("model.").size())] = tensor;
  }
  files.config.erase("quantization_config");
  files.config["model_type"] = R"("qwen3")";
  files.config["head_dim"] = "64";
  for (const std::string layer : {"layers.0.", "layers.1."}) {
    files.put_floats(layer + "self_attn.q_norm.weight", {64}, std::vector<float>(64, 2));
    files.put_floats(layer + "self_attn.k_norm.weight", {64}, std::vector<float>(64, 3));
  }
  HfFiles ordinary = files;
  std::vector<float> values(32 * 256);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(static_cast<float>(i));
  }
  ordinary.put_floats(kUp.substr(std::string("model.").size()) + ".weight", {32, 256}, values);
  EXPECT_THAT(open(ordinary).status().message(), HasSubstr("are not ternarised silently"));
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const std::string name = HfFiles::linear(layer, role).substr(std::string("model.").size());
    const size_t cols = linear_shape(test::file_config(), role).cols;
    files.put_floats(name + ".norm.weight", {cols},
                     std::vector<float>(cols, 1.0f + static_cast<float>(role)));
  });
  const TestFolder folder;
  files.write(folder);
  const auto source = hf_source(folder.path());
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE(source->config.qk_norm);
  EXPECT_TRUE(source->config.input_norms);
  EXPECT_EQ(source->layers[0].q_norm, std::vector<float>(64, 2));
  EXPECT_EQ(source->layers[1].linear[6].input_norm, std::vector<float>(32, 7));
  EXPECT_EQ(test::trit_hash(*source), expected_hash());
  EXPECT_THAT(source->notes, Contains(HasSubstr("taken for masters of ternary ones")));
  EXPECT_EQ(source->config.pooling, Pooling::kUnstated);
  std::filesystem::create_directory(folder.path("1_Pooling"));
  folder.put("1_Pooling/config.json", R"({"pooling_mode_lasttoken":true})");
  EXPECT_EQ(hf_source(folder.path())->config.pooling, Pooling::kLast);
  folder.put("1_Pooling/config.json", R"({"pooling_mode_max_tokens":true})");
  EXPECT_THAT(hf_source(folder.path()).status().message(), HasSubstr("1_Pooling/config.json"));
  files.tensors.erase("layers.1.mlp.up_proj.norm.weight");
  EXPECT_THAT(open(files).status().message(),
              HasSubstr("tensor 'layers.1.mlp.up_proj.norm.weight' is missing"));
}

TEST(HfSource, LayersBeyondTheCountAreRefused) {
  EXPECT_THAT(with([](HfFiles& f) { f.config["num_hidden_layers"] = "1"; }),
              AllOf(HasSubstr("num_hidden_layers in config.json is 1, but tensor 'model.layers.1."),
                    HasSubstr("belongs to layer 1, counted from 0")));
}

TEST(HfSource, ExtraTensors) {
  EXPECT_THAT(with([](HfFiles& f) { f.put_floats(kUp + ".bias", {32}, std::vector<float>(32)); }),
              AllOf(HasSubstr(kUp), HasSubstr("a linear layer with a bias is not supported")));
  HfFiles files = test::hf_files();
  files.put_floats("adapter.a", {1}, {0.0f});
  files.put_floats("adapter.b", {1}, {0.0f});
  files.put_floats("model.layers.0.self_attn.rotary_emb.inv_freq", {1}, {1.0f});
  EXPECT_THAT(open(files)->warnings, Contains("3 tensors are not used, the first is 'adapter.a'"));
  files.put_floats("model.layers.0.self_attn.q_norm.weight", {1}, {1.0f});
  EXPECT_EQ(open(files).status().code(), Code::kUnsupported);
  EXPECT_THAT(open(files).status().message(),
              HasSubstr("tensor 'model.layers.0.self_attn.q_norm.weight' belongs to a layer"));
}

TEST(HfSource, HeadsThatRepeatTheEmbeddingAreNotLoaded) {
  HfFiles files = test::hf_files();
  files.config["tie_word_embeddings"] = "false";
  files.tensors["lm_head.weight"] = files.tensors["model.embed_tokens.weight"];
  const auto repaired = open(files);
  ASSERT_TRUE(repaired.ok()) << repaired.status().message();
  EXPECT_TRUE(repaired->config.tied_head);
  EXPECT_TRUE(repaired->duplicate_head);
  EXPECT_FALSE(repaired->head);
  EXPECT_THAT(repaired->notes, Contains(HasSubstr("repaired: lm_head.weight is a copy")));
  files.tensors["lm_head.weight"].content.back() ^= 1;
  const auto separate = open(files);
  ASSERT_TRUE(separate.ok()) << separate.status().message();
  EXPECT_FALSE(separate->config.tied_head);
  EXPECT_FALSE(separate->duplicate_head);
  EXPECT_TRUE(separate->head);
}

}  // namespace
}  // namespace rotor
