// SPDX-License-Identifier: Apache-2.0
// Adapters read from made-up files, and every way in which a file can be wrong.
#include "model/lora.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "model/test_lora.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using test::file_config;
using test::LoraFiles;
using test::random_lora;
using testing::HasSubstr;

const std::string kQA = LoraFiles::tensor(0, LinearRole::kQ, 'A');
const std::string kQB = LoraFiles::tensor(0, LinearRole::kQ, 'B');

LoraFiles small(FloatType type = FloatType::kF32) {
  return random_lora(file_config(), 4, 6, {{0, LinearRole::kQ}, {1, LinearRole::kDown}}, type);
}

Status refusal(const LoraFiles& files) { return files.open(file_config()).status(); }

// Opens with other tensors.
Status refusal(const std::string& name, std::vector<uint64_t> shape, size_t values) {
  LoraFiles files = small();
  files.files.put_floats(name, std::move(shape), std::vector<float>(values, 0.5f));
  return refusal(files);
}

TEST(Lora, ReadsTheBytesOfEveryType) {
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    const LoraFiles files = small(type);
    const auto adapter = files.open(file_config());
    ASSERT_TRUE(adapter.ok()) << adapter.status().message();
    const LowRank& q = (*adapter)->of(0, LinearRole::kQ);
    EXPECT_EQ(q.rank, 4u);
    EXPECT_EQ(q.a_type, type);
    EXPECT_EQ(q.b_type, type);
    EXPECT_EQ(q.scaling, 1.5);
    const std::string& a = files.files.tensors.at(kQA).content;
    const std::string& b = files.files.tensors.at(kQB).content;
    EXPECT_EQ(std::memcmp(q.a, a.data(), a.size()), 0);
    const size_t item = float_row_bytes(type, 1);
    ASSERT_EQ(q.rows * q.rank * item, b.size());
    for (size_t i = 0; i < q.rows * q.rank; ++i) {  // turned
      const size_t from = (i % q.rows * q.rank + i / q.rows) * item;
      ASSERT_EQ(std::memcmp(q.b + i * item, b.data() + from, item), 0) << i;
    }
    EXPECT_EQ((*adapter)->of(1, LinearRole::kDown).rank, 4u);
    EXPECT_EQ((*adapter)->of(1, LinearRole::kQ).rank, 0u);
  }
}

TEST(Lora, ReadsAFolder) {
  test::TestFolder folder;
  small().write(folder);
  const auto adapter = LoraAdapter::open(folder.path(), file_config());
  ASSERT_TRUE(adapter.ok()) << adapter.status().message();
  EXPECT_TRUE((*adapter)->fits(file_config()));
  folder.put("adapter_model.safetensors", small().tensors().substr(0, 100));
  EXPECT_EQ(LoraAdapter::open(folder.path(), file_config()).status().code(), Code::kFormatError);
  std::filesystem::remove(folder.path("adapter_model.safetensors"));
  EXPECT_EQ(LoraAdapter::open(folder.path(), file_config()).status().code(), Code::kNotFound);
  const Status none = LoraAdapter::open(folder.path("none"), file_config()).status();
  EXPECT_EQ(none.code(), Code::kNotFound);
  EXPECT_THAT(none.message(), HasSubstr("expected a folder with adapter_config.json"));
}

// Models that were saved without a head have no "model." in their names; PEFT's ranks may differ.
TEST(Lora, NamesWithoutModelAndRanksOfTheirOwn) {
  LoraFiles files = random_lora(file_config(), 2, 6, {{1, LinearRole::kUp}});
  auto node = files.files.tensors.extract(LoraFiles::tensor(1, LinearRole::kUp, 'A'));
  node.key() = "base_model.model.layers.1.mlp.up_proj.lora_A.weight";
  files.files.tensors.insert(std::move(node));
  node = files.files.tensors.extract(LoraFiles::tensor(1, LinearRole::kUp, 'B'));
  node.key() = "base_model.model.layers.1.mlp.up_proj.lora_B.weight";
  files.files.tensors.insert(std::move(node));
  files.files.config["r"] = "8";
  files.files.config["rank_pattern"] = R"({"layers.1.mlp.up_proj":2})";
  const auto adapter = files.open(file_config());
  ASSERT_TRUE(adapter.ok()) << adapter.status().message();
  EXPECT_EQ((*adapter)->of(1, LinearRole::kUp).rank, 2u);
  EXPECT_EQ((*adapter)->of(1, LinearRole::kUp).scaling, 3.0);

  files.files.put_floats(LoraFiles::tensor(1, LinearRole::kUp, 'A'), {2, 256},
                         std::vector<float>(512));
  EXPECT_THAT(refusal(files).message(), HasSubstr("is there twice"));
}

TEST(Lora, RefusesShapesOfAnotherModel) {
  for (const Status& status :
       {refusal(kQA, {4, 255}, 1020), refusal(kQB, {255, 4}, 1020)}) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_THAT(status.message(), HasSubstr("the model needs A (r, 256) and B (256, r)"));
  }
  const Status layer = refusal("base_model.model.model.layers.2.mlp.up_proj.lora_A.weight", {1}, 1);
  EXPECT_EQ(layer.code(), Code::kUnsupported);
  EXPECT_THAT(layer.message(), HasSubstr("of the model's 2 layers"));
  const auto adapter = small().open(file_config());
  ASSERT_TRUE(adapter.ok());
  ModelConfig other = file_config();
  other.ffn += 1;
  EXPECT_FALSE((*adapter)->fits(other));
  EXPECT_EQ(check_lora({{*adapter, 1.0f}}, other).code(), Code::kInvalidArgument);
  EXPECT_TRUE(check_lora({{*adapter, -0.5f}, {*adapter, 0.0f}}, file_config()).ok());
  EXPECT_EQ(check_lora({{nullptr, 1.0f}}, file_config()).code(), Code::kInvalidArgument);
  EXPECT_EQ(check_lora({{*adapter, NAN}}, file_config()).code(), Code::kInvalidArgument);
}

TEST(Lora, RefusesTensorsThatDoNotFitEachOther) {
  EXPECT_THAT(refusal(kQA, {5, 256}, 1280).message(), HasSubstr("got [5, 256] and [256, 4]"));
  EXPECT_THAT(refusal(kQA, {1024}, 1024).message(), HasSubstr("expected A (r, in)"));
  EXPECT_THAT(refusal(kQA, {2, 2, 256}, 1024).message(), HasSubstr("expected A (r, in)"));
  EXPECT_THAT(refusal(kQA, {0, 256}, 0).message(), HasSubstr("got [0, 256]"));
  LoraFiles files = small();
  files.files.config["r"] = "3";
  EXPECT_THAT(refusal(files).message(), HasSubstr("says rank 3, the tensors have 4"));
  files = small();
  files.files.tensors.erase(kQB);
  EXPECT_THAT(refusal(files).message(), HasSubstr("q_proj has lora_A alone"));
  files = small();
  files.files.tensors.clear();
  EXPECT_EQ(refusal(files).code(), Code::kFormatError);
  files = small();
  files.files.config["lora_alpha"] = "1e300";
  EXPECT_THAT(refusal(files).message(), HasSubstr("lora_alpha is too large"));
}

TEST(Lora, RefusesWhatIsNoPlainLoraByName) {
  for (const char* name :
       {"something.else", "base_model.model.lm_head.lora_A.weight", "base_model.model.lora_A.weight",
        "base_model.model.model.embed_tokens.lora_embedding_A",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias",
        "base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight",
        "base_model.model.model.layers.00.mlp.up_proj.lora_A.weight"}) {
    const Status status = refusal(name, {4, 256}, 1024);
    EXPECT_EQ(status.code(), Code::kUnsupported) << name;
    EXPECT_THAT(status.message(), HasSubstr(name));
  }
}

TEST(Lora, RefusesAdaptersOfExpertsByName) {
  const ModelConfig model = experts_config();
  EXPECT_TRUE(random_lora(model, 4, 6, {{0, LinearRole::kQ}, {1, LinearRole::kO}}).open(model).ok());
  for (const LinearRole role : {LinearRole::kGate, LinearRole::kUp, LinearRole::kDown}) {
    const Status status = random_lora(model, 4, 6, {{1, role}}).open(model).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("adapters of experts"));
  }
  for (const char* name : {"base_model.model.model.layers.0.mlp.experts.3.up_proj.lora_A.weight",
                           "base_model.model.model.layers.0.mlp.gate.lora_B.weight"}) {
    LoraFiles files = random_lora(model, 4, 6, {{0, LinearRole::kQ}});
    files.files.put_floats(name, {4, 48}, std::vector<float>(192, 0.5f));
    EXPECT_THAT(files.open(model).status().message(), HasSubstr("adapters of experts"));
  }
}

TEST(Lora, RefusesOtherTypesAndWhatIsNotFinite) {
  LoraFiles files = small();
  files.files.tensors[kQA] = {"I32", {4, 256}, std::string(4096, '\0')};
  EXPECT_THAT(refusal(files).message(), HasSubstr("expected F32, F16 or BF16, got I32"));
  for (const FloatType type : {FloatType::kF32, FloatType::kF16, FloatType::kBf16}) {
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      std::vector<float> values(1024, -0.5f);
      values[1023] = bad;
      files = small();
      files.files.put_floats(kQB, {256, 4}, values, type);
      EXPECT_EQ(refusal(files).code(), Code::kFormatError);
      EXPECT_THAT(refusal(files).message(), HasSubstr("q_proj.lora_B.weight\" is infinite or NaN"));
    }
  }
  std::vector<float> large(1024, std::numeric_limits<float>::max());
  files.files.put_floats(kQB, {256, 4}, large);
  EXPECT_TRUE(refusal(files).ok());
}

}  // namespace
}  // namespace rotor
