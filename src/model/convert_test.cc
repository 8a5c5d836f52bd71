// SPDX-License-Identifier: Apache-2.0
// Every pair of containers: whatever a model was written as, it can be written as any other and is the
// same model.
#include "model/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "model/test_conversion.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

struct Target {
  std::string name;
  ConvertOptions options;
};

std::vector<Target> all_targets() {
  std::vector<Target> targets = {{"m.rotor", {ConvertTarget::kRotor, {}, false}},
                                 {"m-hf", {ConvertTarget::kHuggingFace, {}, false}}};
  for (const GgufWeights type : kAllGgufWeights) {
    targets.push_back({"m-" + std::string(gguf_weights_name(type)) + ".gguf",
                       {ConvertTarget::kGguf, type, false}});
  }
  return targets;
}

class ConvertModel : public testing::Test, protected test::TestFolder {
 protected:
  void convert(const ModelSource& source, const std::string& name, const ConvertOptions& options) {
    std::filesystem::remove_all(path(name));
    const auto result = convert_model(source, path(name), options, pool_, {}, nullptr);
    ASSERT_TRUE(result.ok()) << name << ": " << result.status().message();
    EXPECT_EQ(result->trits_sha256, test::trits_sha256(source));
  }
  ModelSource reopen(const std::string& name) {
    auto source = open_model_source(path(name), {});
    EXPECT_TRUE(source.ok()) << source.status().message();
    return *std::move(source);
  }

  ThreadPool pool_{2};
};

TEST_F(ConvertModel, EveryPairOfContainersKeepsTheModel) {
  ModelConfig config = test::block_config();
  config.vocab = 600;
  ModelSource source = test_source(config);
  source.tokenizer = fixture_spec("llama3");
  source.chat_template = "{{ messages[0]['content'] }}";
  source.end_of_generation = {3, 7, 9, 11, 13};
  source.generation_defaults = {.temperature = 0.7f, .top_p = 0.9f, .top_k = 40, .do_sample = false};
  const std::vector<TokenId> ids = *make_tokenizer(*source.tokenizer).encode("Hello  you, 12 <|eot_id|>");
  for (const Target& first : all_targets()) {
    convert(source, first.name, first.options);
    for (const Target& second : all_targets()) {
      const std::string name = "again-" + second.name;
      convert(reopen(first.name), name, second.options);
      const ModelSource again = reopen(name);
      SCOPED_TRACE(first.name + " to " + second.name);
      test::expect_same_model(source, again);
      EXPECT_EQ(again.embed.type, source.embed.type);
      EXPECT_EQ(again.chat_template, source.chat_template);
      EXPECT_EQ(again.generation_defaults, source.generation_defaults);
      EXPECT_EQ(*make_tokenizer(*again.tokenizer).encode("Hello  you, 12 <|eot_id|>"), ids);
    }
  }
}

TEST_F(ConvertModel, TheNameOfTheOutputDecides) {
  std::filesystem::create_directory(path("folder"));
  EXPECT_EQ(*convert_target_of("a/m.gguf"), ConvertTarget::kGguf);
  EXPECT_EQ(*convert_target_of("m.rotor"), ConvertTarget::kRotor);
  EXPECT_EQ(*convert_target_of("m"), ConvertTarget::kRotor);
  EXPECT_EQ(*convert_target_of("m.gguf/"), ConvertTarget::kHuggingFace);
  EXPECT_EQ(*convert_target_of(path("folder")), ConvertTarget::kHuggingFace);
  EXPECT_EQ(convert_target_of("m.safetensors").status().code(), Code::kInvalidArgument);
  for (const char* name : {"rotor", "gguf", "hf"}) {
    EXPECT_EQ(convert_target_name(*parse_convert_target(name)), name);
  }
  EXPECT_EQ(parse_convert_target("onnx"), std::nullopt);
}

}  // namespace
}  // namespace rotor
