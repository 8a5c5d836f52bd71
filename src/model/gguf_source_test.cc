// SPDX-License-Identifier: Apache-2.0
// GGUF models: every form of weights, embedding and head, the repairs and their notes, the
// refusals, and that the same model as a Hugging Face folder is the same.
#include "model/gguf_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "model/hf_source.h"
#include "model/rope_scaling_form.h"
#include "model/test_files.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using test::GgufFiles;
using test::TestFolder;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

const std::string kUp = "blk.1.ffn_up";
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Result<ModelSource> open(const GgufFiles& files, I2sLayout layout = I2sLayout::k128) {
  const TestFolder folder;
  return gguf_source(folder.put("m.gguf", files.bytes()), {layout, {}});
}

// What opening the model says after `change`.
std::string with(const std::function<void(GgufFiles&)>& change) {
  GgufFiles files = test::gguf_files();
  change(files);
  const auto source = open(files);
  return source.ok() ? "accepted" : source.status().message();
}

void put_scale(GgufFiles& files, const std::string& name, float scale) {
  std::string& content = files.tensors[name].content;
  std::memcpy(content.data() + content.size() - 32, &scale, sizeof(scale));
}

TEST(GgufSource, TheSameModelAsItsHuggingFaceFolder) {
  const TestFolder folder;
  test::hf_files().write(folder);
  const auto hf = hf_source(folder.path());
  const auto gguf = open(test::gguf_files());
  ASSERT_TRUE(hf.ok() && gguf.ok()) << hf.status().message() << gguf.status().message();
  EXPECT_EQ(test::trit_hash(*hf), test::trit_hash(*gguf));
  const ModelConfig& a = hf->config;
  const ModelConfig& b = gguf->config;
  EXPECT_EQ(std::tie(a.family, a.vocab, a.context, a.hidden, a.ffn, a.layers, a.heads, a.kv_heads,
                     a.head_dim, a.rms_eps, a.rope_theta, a.activation, a.tied_head),
            std::tie(b.family, b.vocab, b.context, b.hidden, b.ffn, b.layers, b.heads, b.kv_heads,
                     b.head_dim, b.rms_eps, b.rope_theta, b.activation, b.tied_head));
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const size_t r = static_cast<size_t>(role);
    EXPECT_EQ(hf->layers[layer].linear[r].scale.values, gguf->layers[layer].linear[r].scale.values);
  });
  EXPECT_EQ(gguf->container, "GGUF v3");
}

TEST(GgufSource, EveryI2sLayoutByFlag) {
  const std::string expected = test::trit_hash(*open(test::gguf_files()));
  for (const I2sLayout layout : {I2sLayout::k128, I2sLayout::k64, I2sLayout::k1x4}) {
    const auto source = open(test::gguf_files("bitnet-b1.58", layout), layout);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(test::trit_hash(*source), expected);
    const std::string name(i2s_layout_name(layout));
    EXPECT_EQ(source->layers[0].linear[0].layout, "i2_s " + name);
    EXPECT_THAT(source->notes, Contains(testing::StartsWith("I2_S layout " + name)));
  }
  EXPECT_NE(test::trit_hash(*open(test::gguf_files(), I2sLayout::k64)), expected);
}

TEST(GgufSource, FloatsThatHoldTritsExactly) {
  const std::string expected = test::trit_hash(*open(test::gguf_files()));
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    GgufFiles files = test::gguf_files();
    test::for_each_linear([&](size_t layer, LinearRole role) {
      const MatrixShape shape = linear_shape(test::file_config(), role);
      const std::string name = GgufFiles::linear(layer, role);
      files.put_floats(name + ".weight", {shape.cols, shape.rows},
                       test::scaled(test::file_trits(layer, role), 1.0f), type);
      files.put_floats(name + ".scale", {1}, {test::file_scale(role)});
    });
    const auto source = open(files);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(test::trit_hash(*source), expected);
    EXPECT_EQ(source->layers[1].linear[5].scale.values,
              std::vector<float>{test::file_scale(LinearRole::kUp)});
    files.tensors[kUp + ".weight"].content.replace(0, 4, "\x11\x22\x33\x44");
    EXPECT_EQ(open(files).status().code(), Code::kUnsupported);
    EXPECT_THAT(open(files).status().message(),
                AllOf(HasSubstr(kUp), HasSubstr("are not ternarised silently")));
  }
}

// A file of Llama's layers, which define no int8 activations, with floats that hold trits.
GgufFiles float_llama() {
  GgufFiles files = test::gguf_files("llama");
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const MatrixShape shape = linear_shape(test::file_config(), role);
    files.put_floats(GgufFiles::linear(layer, role) + ".weight", {shape.cols, shape.rows},
                     test::scaled(test::file_trits(layer, role), 0.5f), FloatType::kF16);
  });
  for (const char* layer : {"blk.0.", "blk.1."}) {
    files.tensors.erase(layer + std::string("attn_sub_norm.weight"));
    files.tensors.erase(layer + std::string("ffn_sub_norm.weight"));
  }
  return files;
}

TEST(GgufSource, ActivationsStayFloatsWhereAllMatricesAreFloats) {
  GgufFiles files = float_llama();
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE(source->config.float_activations);
  EXPECT_FALSE(has_float_matrices(*source));
  // One matrix of a ternary type: the file was packed.
  const MatrixShape shape = linear_shape(test::file_config(), LinearRole::kUp);
  files.tensors[kUp + ".weight"] = test::gguf_files("llama").tensors[kUp + ".weight"];
  const auto packed = open(files);
  ASSERT_TRUE(packed.ok()) << packed.status().message();
  EXPECT_FALSE(packed->config.float_activations);
  // The first matrix tells that the model is one of ordinary floats.
  files = float_llama();
  const MatrixShape q = linear_shape(test::file_config(), LinearRole::kQ);
  std::vector<float> ordinary(q.rows * q.cols);
  for (size_t i = 0; i < ordinary.size(); ++i) {
    ordinary[i] = std::sin(static_cast<float>(i));
  }
  files.put_floats("blk.0.attn_q.weight", {q.cols, q.rows}, ordinary, FloatType::kF32);
  const auto floats = open(files);
  ASSERT_TRUE(floats.ok()) << floats.status().message();
  EXPECT_TRUE(has_float_matrices(*floats));
  EXPECT_EQ(floats->layers[1].linear[5].floats->rows, shape.rows);
  EXPECT_THAT(floats->warnings, Contains(HasSubstr("ordinary floats, not trits")));
  files.put_floats(kUp + ".scale", {1}, {0.5f});
  EXPECT_THAT(open(files).status().message(), HasSubstr("a scale of its own beside ordinary floats"));
}

// All matrices with 256 columns as blocks; `scale(row)` of its blocks.
void put_blocks(GgufFiles& files, TernaryBlock block, const std::function<float(size_t)>& scale) {
  const TernaryBlockInfo& info = ternary_block_info(block);
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const MatrixShape shape = linear_shape(test::file_config(), role);
    if (shape.cols != 256) {
      return;
    }
    std::vector<float> scales;
    for (size_t i = 0; i < shape.rows * 256 / info.elements; ++i) {
      scales.push_back(scale ? scale(i * info.elements / 256) : test::file_scale(role));
    }
    files.tensors[GgufFiles::linear(layer, role) + ".weight"] = {
        {shape.cols, shape.rows},
        info.type,
        test::block_bytes(block, test::file_trits(layer, role), scales)};
  });
}

TEST(GgufSource, BlocksOfEveryTernaryType) {
  const auto expected = open(test::gguf_files());
  for (const TernaryBlock block :
       {TernaryBlock::kTQ1_0, TernaryBlock::kTQ2_0, TernaryBlock::kQ2_0_64, TernaryBlock::kQ2_0_128,
        TernaryBlock::kPQ2_0, TernaryBlock::kPTQ1_0}) {
    GgufFiles files = test::gguf_files();
    put_blocks(files, block, {});
    const auto source = open(files);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(test::trit_hash(*source), test::trit_hash(*expected));
    test::for_each_linear([&](size_t layer, LinearRole role) {
      const size_t r = static_cast<size_t>(role);
      EXPECT_EQ(source->layers[layer].linear[r].scale.values,
                expected->layers[layer].linear[r].scale.values);
    });
    EXPECT_EQ(source->layers[1].linear[0].layout, ternary_block_info(block).name);
  }
}

TEST(GgufSource, BlocksWithScalesOfTheirRowAndAFactor) {
  GgufFiles files = test::gguf_files();
  put_blocks(files, TernaryBlock::kQ2_0_64, [](size_t row) { return row == 1 ? 2.0f : 0.5f; });
  files.put_floats(kUp + ".scale", {1}, {4.0f});
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  const TernaryScale& scale = source->layers[1].linear[static_cast<size_t>(LinearRole::kUp)].scale;
  EXPECT_EQ(scale.granularity, TernaryScale::Granularity::kRow);
  EXPECT_EQ(scale.values[1], 8.0f);
  EXPECT_EQ(scale.values[2], 2.0f);
  for (const float bad : {0.0f, -1.0f, kNan, HUGE_VALF, 1e-45f}) {
    files.put_floats(kUp + ".scale", {1}, {bad});
    EXPECT_THAT(open(files).status().message(),
                AllOf(HasSubstr("tensor '" + kUp + ".scale'"), HasSubstr("expected a finite")));
  }
}

TEST(GgufSource, EmbeddingsOfEveryType) {
  const struct {
    uint32_t id;
    FloatType type;
    size_t row_bytes;
  } kinds[] = {{kGgufF32, FloatType::kF32, 1024},
               {kGgufF16, FloatType::kF16, 512},
               {kGgufBF16, FloatType::kBf16, 512},
               {kGgufQ8_0, FloatType::kQ8_0, 272},
               {kGgufQ6K, FloatType::kQ6K, 210},
               {kGgufQ4_0, FloatType::kQ4_0, 144},
               {kGgufQ4K, FloatType::kQ4K, 144}};
  for (const auto& kind : kinds) {
    GgufFiles files = test::gguf_files();
    std::string content;
    for (char row = 0; row < 6; ++row) {
      content += std::string(kind.row_bytes, row);
    }
    files.tensors["token_embd.weight"] = {{256, 6}, kind.id, content};
    const auto source = open(files);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(source->embed.type, kind.type);
    std::string rows(2 * kind.row_bytes, '\xff');
    ASSERT_TRUE(source->embed.reader->read(3, 5, reinterpret_cast<std::byte*>(rows.data())).ok());
    EXPECT_EQ(rows, content.substr(3 * kind.row_bytes, rows.size()));
  }
  EXPECT_THAT(with([](GgufFiles& f) { f.tensors["token_embd.weight"].type = 0; }),
              HasSubstr("F32"));
  EXPECT_THAT(with([](GgufFiles& f) {
                f.tensors["token_embd.weight"] = {{256, 6}, 6, std::string(1056, '\0')};  // Q5_0
              }),
              HasSubstr("Q6_K, Q4_0, Q4_K or a ternary type in blocks, got Q5_0"));
}

// As Ternary-Bonsai has them: binary16 holds trit times scale.
TEST(GgufSource, EmbeddingsOfTernaryTypes) {
  for (const TernaryBlock block : {TernaryBlock::kQ2_0_128, TernaryBlock::kTQ1_0,
                                   TernaryBlock::kTQ2_0, TernaryBlock::kQ1_0}) {
    std::vector<int8_t> trits = test::random_trits(6 * 256);
    if (block == TernaryBlock::kQ1_0) {  // which has no zero
      std::replace(trits.begin(), trits.end(), int8_t{0}, int8_t{1});
    }
    GgufFiles files = test::gguf_files();
    const size_t elements = ternary_block_info(block).elements;
    std::vector<float> scales;
    std::vector<float> values;
    for (size_t i = 0; i < trits.size(); ++i) {
      if (i % elements == 0) {
        scales.push_back(0.5f + 0.125f * static_cast<float>(i / elements));
      }
      values.push_back(static_cast<float>(trits[i]) * scales.back());
    }
    files.tensors["token_embd.weight"] = {
        {256, 6}, ternary_block_info(block).type, test::block_bytes(block, trits, scales)};
    const auto source = open(files);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_EQ(source->embed.type, FloatType::kF16);
    std::string rows(2 * 512, '\xff');
    ASSERT_TRUE(source->embed.reader->read(3, 5, reinterpret_cast<std::byte*>(rows.data())).ok());
    EXPECT_EQ(rows, test::float_bytes(FloatType::kF16, values).substr(3 * 512, rows.size()));
  }
}

TEST(GgufSource, HeadsThatRepeatTheEmbeddingAreNotLoaded) {
  GgufFiles files = test::gguf_files();
  files.tensors["output.weight"] = files.tensors["token_embd.weight"];
  const auto repaired = open(files);
  ASSERT_TRUE(repaired.ok()) << repaired.status().message();
  EXPECT_TRUE(repaired->config.tied_head);
  EXPECT_FALSE(repaired->head);
  EXPECT_THAT(repaired->notes, Contains(HasSubstr("repaired: output.weight is a copy")));
  files.tensors["output.weight"].content.back() ^= 1;
  const auto separate = open(files);
  ASSERT_TRUE(separate.ok()) << separate.status().message();
  EXPECT_FALSE(separate->config.tied_head);
  EXPECT_TRUE(separate->head);
  EXPECT_THAT(separate->notes, testing::Not(Contains(HasSubstr("repaired"))));
}

TEST(GgufSource, TokenizerAndTemplateAreRepaired) {
  GgufFiles files = test::gguf_files();
  EXPECT_THAT(open(files)->warnings, testing::ElementsAre("the file holds no tokenizer"));
  files.keys["tokenizer.ggml.model"] = "gpt2";
  files.keys["tokenizer.ggml.tokens"] = std::vector<std::string>{"a", "b", "c", "d", "e", "f"};
  files.keys["tokenizer.chat_template"] = "{{ 'BITNETAssistant' }}";
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  ASSERT_TRUE(source->tokenizer);
  EXPECT_THAT(source->notes, Contains(HasSubstr("tokenizer.ggml.pre is missing: the llama-bpe rule")));
  EXPECT_THAT(source->notes, Contains(HasSubstr("repaired: the chat template in the file")));
  EXPECT_THAT(source->chat_template, HasSubstr("Assistant: "));
  files.keys["tokenizer.chat_template"] = "{{ messages }}";
  EXPECT_EQ(open(files)->chat_template, "{{ messages }}");
}

TEST(GgufSource, MissingTensorsAreNamed) {
  for (const auto& [name, tensor] : test::gguf_files().tensors) {
    const std::string gone = name;
    EXPECT_THAT(with([&](GgufFiles& f) { f.tensors.erase(gone); }),
                HasSubstr("tensor '" + gone + "' is missing"));
  }
  EXPECT_THAT(with([](GgufFiles& f) { f.keys["bitnet-b1.58.block_count"] = uint32_t{3}; }),
              HasSubstr("tensor 'blk.2.attn_norm.weight' is missing"));
}

TEST(GgufSource, WrongShapesAndTypesAreNamed) {
  for (const auto& [name, good] : test::gguf_files().tensors) {
    const std::string bad = name;
    if (bad == "token_embd.weight") {
      continue;  // its second dimension is the vocabulary
    }
    const std::vector<uint64_t> dims = good.dims;
    EXPECT_THAT(
        with([&](GgufFiles& f) {
          f.tensors[bad].dims = {dims[0] / 2, dims.size() == 2 ? dims[1] * 2 : 2};
        }),
        AllOf(HasSubstr("tensor '" + bad + "' at byte"), HasSubstr("expected dimensions [")))
        << bad;
    EXPECT_THAT(with([&](GgufFiles& f) {
                  const uint64_t count = dims[0] * (dims.size() == 2 ? dims[1] : 1);
                  f.tensors[bad] = {dims, 26, std::string(count * 4, '\0')};  // I32
                }),
                AllOf(HasSubstr("tensor '" + bad + "' at byte"), HasSubstr("I32")))
        << bad;
  }
  EXPECT_THAT(with([](GgufFiles& f) { f.tensors[kUp + ".weight"].type = kGgufTL1; }),
              AllOf(HasSubstr(kUp), HasSubstr("is tiled for one build of one program")));
}

TEST(GgufSource, NumbersThatAreNoWeightsAreRefused) {
  const std::string up = kUp + ".weight";
  for (const float bad : {kNan, HUGE_VALF, -0.5f, 0.0f}) {
    EXPECT_THAT(with([&](GgufFiles& f) { put_scale(f, up, bad); }),
                AllOf(HasSubstr(kUp), HasSubstr("scale")))
        << bad;
    std::vector<float> norm(256, 1.0f);
    norm[7] = bad;
    const std::string said =
        with([&](GgufFiles& f) { f.put_floats("output_norm.weight", {256}, norm); });
    if (std::isfinite(bad)) {
      EXPECT_EQ(said, "accepted");
    } else {
      EXPECT_THAT(said, AllOf(HasSubstr("output_norm.weight"), HasSubstr("value 7: expected a")));
    }
  }
  const std::vector<int8_t> zeros(32 * 256, 0);
  EXPECT_EQ(with([&](GgufFiles& f) {
              f.tensors[up].content = test::i2s_bytes(zeros, 256, I2sLayout::k128, 0.0f);
            }),
            "accepted");
}

TEST(GgufSource, ExtraTensors) {
  EXPECT_THAT(with([](GgufFiles& f) { f.put_floats(kUp + ".bias", {32}, std::vector<float>(32)); }),
              AllOf(HasSubstr(kUp), HasSubstr("a linear layer with a bias is not supported")));
  GgufFiles files = test::gguf_files();
  files.put_floats("adapter", {1}, {0.0f});
  const float scale = test::file_scale(LinearRole::kUp);
  files.put_floats(kUp + ".scale", {1}, {scale});  // beside I2_S: older converters repeat it
  files.put_floats("rope_freqs.weight", {32}, std::vector<float>(32, 1.0f));
  EXPECT_THAT(open(files)->warnings, Contains("1 tensors are not used, the first is 'adapter'"));
}

TEST(GgufSource, Llama3sNumbersGoWithTheirDivisors) {
  GgufFiles files = test::gguf_files();
  const RopeScaling llama3 = {.type = RopeScalingType::kLlama3, .factor = 8.0,
                              .original_context = 64.0, .low_freq_factor = 1.5,
                              .high_freq_factor = 4.0, .divisors = {}};
  std::vector<float> divisors = rotary_divisors(llama3, 10000.0, 64);
  files.keys["rotor.rope_llama3.factor"] = 8.0f;
  files.keys["rotor.rope_llama3.low_freq_factor"] = 1.5f;
  files.keys["rotor.rope_llama3.high_freq_factor"] = 4.0f;
  EXPECT_THAT(open(files).status().message(), HasSubstr("original_context' is missing"));
  files.keys["rotor.rope_llama3.original_context"] = 64.0f;
  EXPECT_THAT(open(files).status().message(), HasSubstr("'rope_freqs.weight' is missing"));
  files.put_floats("rope_freqs.weight", {32}, divisors);
  EXPECT_EQ(open(files)->config.rope_scaling, llama3);
  divisors.back() += 0.5f;
  files.put_floats("rope_freqs.weight", {32}, divisors);
  EXPECT_THAT(open(files).status().message(), HasSubstr("not what follows from the keys"));
}

TEST(GgufSource, AnotherModelsLayerTensorsAreRefused) {
  GgufFiles files = test::gguf_files();
  files.put_floats("blk.0.attn_q_norm.weight", {4}, {1, 1, 1, 1});
  EXPECT_EQ(open(files).status().code(), Code::kUnsupported);
  EXPECT_THAT(open(files).status().message(),
              HasSubstr("tensor 'blk.0.attn_q_norm.weight' belongs to a layer, but layers of this "
                        "family have no such tensor"));
}

TEST(GgufSource, ARepeatedScaleMustBeTheSame) {
  const float scale = test::file_scale(LinearRole::kUp);
  for (const float bad : {2 * scale, 0.99f * scale, 0.0f, -scale, kNan, HUGE_VALF}) {
    EXPECT_THAT(with([&](GgufFiles& f) { f.put_floats(kUp + ".scale", {1}, {bad}); }),
                HasSubstr("tensor '" + kUp + ".scale'"))
        << bad;
  }
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    EXPECT_EQ(with([&](GgufFiles& f) {
                put_scale(f, kUp + ".weight", 0.7071f);
                f.put_floats(kUp + ".scale", {1}, {0.7071f}, type);
              }),
              "accepted");
  }
}

TEST(GgufSource, RotaryDivisors) {
  std::vector<float> divisors(32, 1.0f);
  divisors[3] = 8.0f;
  GgufFiles files = test::gguf_files();
  EXPECT_EQ(open(files)->config.rope_scaling, RopeScaling());
  files.put_floats("rope_freqs.weight", {32}, divisors);
  EXPECT_EQ(open(files)->config.rope_scaling.type, RopeScalingType::kDivisors);
  EXPECT_EQ(open(files)->config.rope_scaling.divisors, divisors);
  divisors[3] = 0.5f;
  files.put_floats("rope_freqs.weight", {32}, divisors);
  EXPECT_THAT(open(files).status().message(),
              AllOf(HasSubstr("tensor 'rope_freqs.weight'"), HasSubstr("divisor")));
  divisors[3] = 2.0f;
  files.put_floats("rope_freqs.weight", {32}, divisors);
  files.keys["bitnet-b1.58.rope.scaling.factor"] = 2.0f;
  EXPECT_THAT(open(files).status().message(), HasSubstr("beside rotary scaling 'linear'"));
  files.put_floats("rope_freqs.weight", {4}, {1, 1, 1, 1});
  EXPECT_THAT(open(files).status().message(), HasSubstr("expected dimensions [32, 1]"));
}

TEST(GgufSource, LongropesShortDivisors) {
  std::vector<float> divisors(32, 1.0f);
  divisors[3] = 8.0f;
  GgufFiles files = test::gguf_files();
  files.keys["bitnet-b1.58.rope.scaling.type"] = "longrope";
  EXPECT_THAT(open(files).status().message(), HasSubstr("'rope_factors_short.weight' is missing"));
  files.put_floats("rope_factors_short.weight", {32}, divisors);
  files.put_floats("rope_factors_long.weight", {32}, std::vector<float>(32, 9.0f));
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->config.rope_scaling.divisors, divisors);
  EXPECT_THAT(source->warnings, testing::ElementsAre("the file holds no tokenizer"));
}

// The rows of q and k are put back; everything else lies as in a file of BitNet.
TEST(GgufSource, LlamaHasItsRowsOfQueriesAndKeysInPairs) {
  GgufFiles files = test::gguf_files("llama");
  for (size_t i = 0; i < 2; ++i) {
    files.tensors.erase("blk." + std::to_string(i) + ".attn_sub_norm.weight");
    files.tensors.erase("blk." + std::to_string(i) + ".ffn_sub_norm.weight");
  }
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ(source->config.family, "llama");
  EXPECT_TRUE(source->layers[0].attn_sub_norm.empty());
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const LinearSource& linear = source->layers[layer].linear[static_cast<size_t>(role)];
    const std::vector<int8_t> in_file = test::file_trits(layer, role);
    std::vector<int8_t> expected = in_file;
    const size_t cols = linear.trits->cols();
    for (size_t row = 0; row < linear.trits->rows(); ++row) {
      const bool moved = role == LinearRole::kQ || role == LinearRole::kK;
      const size_t from = moved ? row / 64 * 64 + row % 32 * 2 + row % 64 / 32 : row;
      std::copy_n(in_file.data() + from * cols, cols, expected.data() + row * cols);
    }
    EXPECT_EQ(all_trits(*linear.trits), expected) << layer << linear_role_name(role);
  });
}

TEST(GgufSource, Qwen3WithNormsOfMatricesAndATernaryEmbedding) {
  GgufFiles files = test::gguf_files("qwen3");
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    files.tensors.erase(layer + "attn_sub_norm.weight");
    files.tensors.erase(layer + "ffn_sub_norm.weight");
    files.put_floats(layer + "attn_q_norm.weight", {64}, std::vector<float>(64, 2));
    files.put_floats(layer + "attn_k_norm.weight", {64}, std::vector<float>(64, 3));
  }
  EXPECT_FALSE(open(files)->config.input_norms);
  test::for_each_linear([&](size_t layer, LinearRole role) {
    const size_t cols = linear_shape(test::file_config(), role).cols;
    files.put_floats(GgufFiles::linear(layer, role) + "_norm_in.weight", {cols},
                     std::vector<float>(cols, 1.0f + static_cast<float>(role)));
  });
  const std::vector<int8_t> trits = test::random_trits(6 * 256, 9);
  files.tensors["token_embd.weight"] = {
      {256, 6}, 42, test::block_bytes(TernaryBlock::kQ2_0_64, trits, std::vector<float>(24, 0.5f))};
  const auto source = open(files);
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_TRUE(source->config.input_norms);
  EXPECT_EQ(source->layers[0].k_norm, std::vector<float>(64, 3));
  EXPECT_EQ(source->layers[1].linear[0].input_norm, std::vector<float>(256, 1));
  EXPECT_EQ(source->layers[1].linear[6].input_norm, std::vector<float>(32, 7));
  EXPECT_EQ(source->embed.type, FloatType::kF16);
  std::vector<uint16_t> row(256);
  ASSERT_TRUE(source->embed.reader->read(5, 6, reinterpret_cast<std::byte*>(row.data())).ok());
  for (size_t i = 0; i < row.size(); ++i) {
    EXPECT_EQ(f16_to_float(row[i]), 0.5f * static_cast<float>(trits[5 * 256 + i]));
  }
  files.tensors.erase("blk.1.ffn_up_norm_in.weight");
  EXPECT_THAT(open(files).status().message(),
              HasSubstr("tensor 'blk.1.ffn_up_norm_in.weight' is missing"));
}

TEST(GgufSource, OrdinaryFloatModelsAreNotTernarised) {
  GgufFiles files = test::gguf_files("llama");
  std::vector<float> weights(32 * 256);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = 0.01f * static_cast<float>(i % 19) - 0.1f;
  }
  files.put_floats(kUp + ".weight", {256, 32}, weights);
  for (size_t i = 0; i < 2; ++i) {
    files.tensors.erase("blk." + std::to_string(i) + ".attn_sub_norm.weight");
    files.tensors.erase("blk." + std::to_string(i) + ".ffn_sub_norm.weight");
  }
  EXPECT_EQ(open(files).status().code(), Code::kUnsupported);
  EXPECT_THAT(open(files).status().message(),
              AllOf(HasSubstr(kUp), HasSubstr("are not ternarised silently")));
}

TEST(GgufSource, LayersBeyondTheCountAreRefused) {
  EXPECT_THAT(with([](GgufFiles& f) { f.keys["bitnet-b1.58.block_count"] = uint32_t{1}; }),
              AllOf(HasSubstr("block_count is 1, but tensor 'blk.1."),
                    HasSubstr("belongs to layer 1, counted from 0")));
}

}  // namespace
}  // namespace rotor
