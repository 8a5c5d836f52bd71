// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Files = std::vector<std::string>;

const Files kFolder = {".gitattributes",         "README.md",         "config.json",
                       "generation_config.json", "model.safetensors", "pytorch_model.bin",
                       "tokenizer.json",         "tokenizer_config.json"};
const Files kBonsai = {"README.md",         "Bonsai-8B-F16.gguf",      "Bonsai-8B-PQ2_0.gguf",
                       "Bonsai-8B-Q2_0.gguf", "Bonsai-8B-Q2_0_g64.gguf", "mmproj-Q2_0.gguf"};

HubFileChoice chosen(const Files& files, const std::string& wanted = "") {
  const Result<HubFileChoice> choice = choose_hub_files(files, wanted);
  EXPECT_TRUE(choice.ok()) << choice.status().message();
  return choice.ok() ? *choice : HubFileChoice();
}

Status refusal(const Files& files, const std::string& wanted = "") {
  return choose_hub_files(files, wanted).status();
}

TEST(HubFiles, AFolderWithoutItsPickles) {
  const HubFileChoice choice = chosen(kFolder);
  EXPECT_EQ(choice.model, "");
  EXPECT_TRUE(choice.has_tokenizer);
  EXPECT_THAT(choice.files, ElementsAre("config.json", "generation_config.json",
                                        "tokenizer_config.json", "tokenizer.json",
                                        "model.safetensors"));
  EXPECT_FALSE(chosen({"config.json", "model.safetensors"}).has_tokenizer);
}

TEST(HubFiles, AShardedFolderIsWholeOrNone) {
  Files files = {"config.json", "model-00001-of-00002.safetensors",
                 "model-00002-of-00002.safetensors", "model.safetensors.index.json",
                 "consolidated.safetensors"};
  EXPECT_THAT(chosen(files).files,
              ElementsAre("config.json", "model.safetensors.index.json",
                          "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
  files.erase(files.begin() + 2);
  EXPECT_EQ(refusal(files).code(), Code::kNotFound);
  EXPECT_THAT(refusal(files).message(), HasSubstr("model-00002-of-00002.safetensors"));
  EXPECT_TRUE(hub_models_among(files).empty());
}

TEST(HubFiles, AnAdapterWhereThereIsNoModel) {
  const Files files = {"README.md", "adapter_config.json", "adapter_model.bin",
                       "adapter_model.safetensors", "checkpoint-9/adapter_config.json",
                       "checkpoint-9/adapter_model.safetensors", "half/adapter_config.json"};
  EXPECT_EQ(chosen(files).model, "");
  EXPECT_TRUE(chosen(files).has_tokenizer);
  EXPECT_THAT(chosen(files).files, ElementsAre("adapter_config.json", "adapter_model.safetensors"));
  EXPECT_EQ(chosen(files, "checkpoint-9").model, "checkpoint-9");
  EXPECT_THAT(chosen(files, "checkpoint-9").files,
              ElementsAre("checkpoint-9/adapter_config.json",
                          "checkpoint-9/adapter_model.safetensors"));
  EXPECT_EQ(refusal(files, "half").code(), Code::kNotFound);
  Files both = files;
  both.insert(both.end(), {"config.json", "model.safetensors"});
  EXPECT_THAT(chosen(both).files, ElementsAre("config.json", "model.safetensors"));
}

TEST(HubFiles, TheOnlyGgufOrTheTernaryOne) {
  EXPECT_EQ(chosen({"README.md", "x.gguf"}).model, "x.gguf");
  EXPECT_EQ(chosen(kBonsai).model, "Bonsai-8B-Q2_0.gguf");
  EXPECT_EQ(chosen({"m-f16.gguf", "m-TQ1_0.gguf", "m-i2_s.gguf"}).model, "m-i2_s.gguf");
}

TEST(HubFiles, SeveralThatNothingTellsApart) {
  const Status none = refusal({"a-Q4_K_M.gguf", "a-Q8_0.gguf"});
  EXPECT_EQ(none.code(), Code::kInvalidArgument);
  EXPECT_THAT(none.message(), HasSubstr(":a-Q4_K_M.gguf"));
  EXPECT_EQ(refusal({"a-i2_s.gguf", "b-i2_s.gguf"}).code(), Code::kInvalidArgument);
}

TEST(HubFiles, ByTypeByNameByFolder) {
  EXPECT_EQ(chosen(kBonsai, "q2_0").model, "Bonsai-8B-Q2_0.gguf");
  EXPECT_EQ(chosen(kBonsai, "Q2_0_g64").model, "Bonsai-8B-Q2_0_g64.gguf");
  EXPECT_EQ(chosen(kBonsai, "F16").model, "Bonsai-8B-F16.gguf");
  EXPECT_EQ(chosen(kBonsai, "Bonsai-8B-PQ2_0.gguf").model, "Bonsai-8B-PQ2_0.gguf");
  EXPECT_THAT(refusal(kBonsai, "Q9").message(), HasSubstr(":Bonsai-8B-F16.gguf"));
  EXPECT_EQ(refusal({"a-i2_s.gguf", "b-i2_s.gguf"}, "i2_s").code(), Code::kInvalidArgument);
  const Files nested = {"a/config.json", "a/model.safetensors", "a/tokenizer.json", "config.json"};
  EXPECT_EQ(chosen(nested, "a").model, "a");
  EXPECT_THAT(chosen(nested, "a").files,
              ElementsAre("a/config.json", "a/tokenizer.json", "a/model.safetensors"));
  EXPECT_EQ(chosen(kFolder, "tokenizer.json").model, "tokenizer.json");
  EXPECT_THAT(chosen(nested, "a/model.safetensors").files,
              ElementsAre("a/config.json", "a/tokenizer.json", "a/model.safetensors"));
}

TEST(HubFiles, AllPartsOfASplitGguf) {
  const Files files = {"q/m-Q2_0-00002-of-00002.gguf", "q/m-Q2_0-00001-of-00002.gguf"};
  for (const char* wanted : {"", "Q2_0", "q/m-Q2_0-00002-of-00002.gguf"}) {
    const HubFileChoice choice = chosen(files, wanted);
    EXPECT_EQ(choice.model, "q/m-Q2_0-00001-of-00002.gguf");
    EXPECT_THAT(choice.files,
                ElementsAre("q/m-Q2_0-00001-of-00002.gguf", "q/m-Q2_0-00002-of-00002.gguf"));
  }
  EXPECT_EQ(refusal({files[1]}).code(), Code::kNotFound);
  // Numbers that make no set are ordinary names.
  EXPECT_EQ(chosen({"m-00003-of-00002.gguf"}).model, "m-00003-of-00002.gguf");
  EXPECT_EQ(chosen({"m-0-of-1.gguf"}).model, "m-0-of-1.gguf");
}

TEST(HubFiles, ARotorFileComesFirst) {
  EXPECT_EQ(chosen({"config.json", "model.safetensors", "m.rotor"}).model, "m.rotor");
  EXPECT_EQ(chosen({"config.json", "model.safetensors", "m.rotor", "n.rotor"}).model, "");
}

TEST(HubFiles, PicklesAreNeverFetched) {
  EXPECT_EQ(refusal(kFolder, "pytorch_model.bin").code(), Code::kUnsupported);
  EXPECT_THAT(refusal({"config.json", "pytorch_model.bin"}).message(), HasSubstr("pickles"));
  EXPECT_EQ(refusal({"README.md"}).code(), Code::kNotFound);
  EXPECT_EQ(refusal({}).code(), Code::kNotFound);
}

TEST(HubFiles, EveryModelOfACache) {
  EXPECT_THAT(hub_models_among(kFolder), ElementsAre(""));
  EXPECT_THAT(hub_models_among(kBonsai),
              ElementsAre("Bonsai-8B-F16.gguf", "Bonsai-8B-PQ2_0.gguf", "Bonsai-8B-Q2_0.gguf",
                          "Bonsai-8B-Q2_0_g64.gguf"));
  EXPECT_TRUE(hub_models_among(Files{"m-00001-of-00002.gguf"}).empty());
}

}  // namespace
}  // namespace rotor
