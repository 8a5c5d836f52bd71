// SPDX-License-Identifier: Apache-2.0
// Tokenizers and chat templates out of everything that can hold them.
#include "model/text_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "io/test_bytes.h"
#include "model/rotor_export.h"
#include "model/test_model.h"
#include "text/sentencepiece_test_file.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kTemplate = "{{ messages[0]['content'] }}";

class TextSourceTest : public testing::Test, protected test::TestFolder {
 protected:
  static TextSource open(const std::string& path) {
    auto text = open_text_source(path);
    EXPECT_TRUE(text.ok()) << text.status().message();
    return *std::move(text);
  }
  const TokenizerSpec spec_ = fixture_spec("gpt2");
};

// A file with the vocabulary of the gpt2 fixture and no weights.
std::string gguf_with(std::string_view chat_template) {
  const GgufVocabulary v = gguf_arrays_of("gpt2", "default");  // noted
  test::GgufBytes file;
  file.add("tokenizer.ggml.model", v.model);
  file.add("tokenizer.ggml.pre", v.pre);
  file.add_strings("tokenizer.ggml.tokens", v.tokens);
  file.add_array<int32_t>("tokenizer.ggml.token_type", 5, v.types);
  file.add_strings("tokenizer.ggml.merges", v.merges);
  file.add<uint32_t>("tokenizer.ggml.eos_token_id", 4, 5);
  file.add("tokenizer.chat_template", chat_template);
  return file.bytes();
}

TEST_F(TextSourceTest, AHuggingFaceFolder) {
  put("tokenizer.json", read_testdata("gpt2.tokenizer.json"));
  put("tokenizer.model", "no tiktoken file: the other one is read");
  put("tokenizer_config.json", R"({"chat_template": "from the config"})");
  EXPECT_EQ(open(path()).tokenizer->tokens, spec_.tokens);
  EXPECT_EQ(open(path()).chat_template, "from the config");
  put("chat_template.jinja", kTemplate);
  EXPECT_EQ(open(path()).chat_template, kTemplate);
  EXPECT_THAT(open(path()).warnings, IsEmpty());
}

TEST_F(TextSourceTest, AFolderWithoutATokenizerIsWarnedOf) {
  put("config.json", "{}");
  const TextSource text = open(path());
  EXPECT_FALSE(text.tokenizer.has_value());
  EXPECT_THAT(text.chat_template, IsEmpty());
  EXPECT_THAT(text.warnings, ElementsAre(HasSubstr(path())));
}

TEST_F(TextSourceTest, TheFilesBesideTheWeights) {
  put("tokenizer.json", read_testdata("gpt2.tokenizer.json"));
  const std::string weights = put("model.safetensors", test::safetensors_bytes("{}", ""));
  EXPECT_EQ(open(weights).tokenizer->tokens, spec_.tokens);
}

TEST_F(TextSourceTest, ATokenizerAlone) {
  const std::string text = read_testdata("gpt2.tokenizer.json");
  EXPECT_EQ(open(put("some.json", text)).tokenizer->tokens, spec_.tokens);
  EXPECT_THAT(open(put("tokenizer.model", "IQ== 0\nIg== 1\n")).tokenizer->tokens,
              ElementsAre("!", "\""));
  EXPECT_THAT(open_text_source(put("bad.json", "{\"model\": 1}")).status().message(),
              HasSubstr(path("bad.json")));
}

TEST_F(TextSourceTest, AGgufFile) {
  const TextSource text = open(put("v.gguf", gguf_with(kTemplate)));
  EXPECT_EQ(text.tokenizer->tokens, spec_.tokens);
  EXPECT_EQ(text.tokenizer->kinds, spec_.kinds);
  EXPECT_EQ(text.tokenizer->eos, 5);
  EXPECT_EQ(text.chat_template, kTemplate);
  EXPECT_THAT(text.notes, ElementsAre(HasSubstr("the gpt-2 rule is used")));
  EXPECT_THAT(open(put("none.gguf", test::GgufBytes().bytes())).warnings,
              ElementsAre("the file holds no tokenizer"));
}

TEST_F(TextSourceTest, AGgufFileOfBitnetWithoutAPreTokenizer) {
  for (const auto& [arch, rule] : {std::pair("bitnet", "llama-bpe"),
                                   std::pair("bitnet-25", "llama-bpe"),
                                   std::pair("bitnet-b1.58", "llama-bpe"),
                                   std::pair("gpt2", "gpt-2")}) {
    const GgufVocabulary v = gguf_arrays_of("gpt2", "");
    test::GgufBytes file;
    file.add("general.architecture", arch);
    file.add("tokenizer.ggml.model", v.model);
    file.add_strings("tokenizer.ggml.tokens", v.tokens);
    file.add_strings("tokenizer.ggml.merges", v.merges);
    EXPECT_THAT(open(put("v.gguf", file.bytes())).notes,
                ElementsAre(HasSubstr(std::string("the ") + rule + " rule is used")));
  }
}

// A folder without tokenizer.json: the model, and what other files add to it.
TEST_F(TextSourceTest, ASentencePieceModel) {
  const std::string model = test::sentencepiece_bytes(sentencepiece_proto::kBpeModel);
  put("config.json", "{}");
  put("tokenizer.model", model);
  put("added_tokens.json", R"({"<pad>": 11})");
  put("tokenizer_config.json", R"({"add_bos_token": false})");
  const TextSource folder = open(path());
  EXPECT_EQ(folder.tokenizer->tokens.size(), 12u);
  EXPECT_FALSE(folder.tokenizer->add_bos);
  EXPECT_EQ(open(put("alone.model", model)).tokenizer->tokens.size(), 11u);

  ModelSource source = test_source(test_config());
  source.tokenizer = folder.tokenizer;
  ThreadPool pool(1);
  ASSERT_TRUE(convert_to_rotor(source, path("m.rotor"), pool, {}, nullptr).ok());
  const TextSource text = open(path("m.rotor"));
  EXPECT_EQ(text.tokenizer->tokens, folder.tokenizer->tokens);
  EXPECT_EQ(text.tokenizer->scores, folder.tokenizer->scores);
  EXPECT_EQ(text.tokenizer->add_bos, false);
}

TEST_F(TextSourceTest, AGgufFileOfSentencePiece) {
  test::GgufBytes file;
  file.add("tokenizer.ggml.model", "llama");
  file.add_strings("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "a"});
  file.add_array<float>("tokenizer.ggml.scores", 6, std::vector<float>{0, -1});
  file.add_array<int32_t>("tokenizer.ggml.token_type", 5, std::vector<int32_t>{2, 1});
  const TextSource text = open(put("v.gguf", file.bytes()));
  EXPECT_EQ(text.tokenizer->model, TokenizerModel::kCharacterBpe);
  EXPECT_THAT(text.tokenizer->scores, ElementsAre(0, -1));
}

TEST_F(TextSourceTest, TheTemplateOfTheOfficialGgufIsRepaired) {
  const TextSource text = open(put("v.gguf", gguf_with("...BITNETAssistant: ")));
  EXPECT_THAT(text.chat_template, HasSubstr("'Assistant: '"));
  EXPECT_THAT(text.chat_template, testing::Not(HasSubstr("BITNET")));
  EXPECT_THAT(text.notes, testing::Contains(HasSubstr("repaired: the chat template")));
}

TEST_F(TextSourceTest, ARotorFile) {
  ModelSource source = test_source(test_config());
  source.tokenizer = spec_;
  source.chat_template = kTemplate;
  ThreadPool pool(1);
  ASSERT_TRUE(convert_to_rotor(source, path("m.rotor"), pool, {}, nullptr).ok());
  const TextSource text = open(path("m.rotor"));
  EXPECT_EQ(text.tokenizer->tokens, spec_.tokens);
  EXPECT_EQ(text.tokenizer->kinds, spec_.kinds);
  EXPECT_EQ(text.chat_template, kTemplate);
  EXPECT_THAT(text.warnings, IsEmpty());
}

TEST_F(TextSourceTest, ATextTensorOfNumbersIsRefused) {
  const std::string header = R"({"__metadata__":{"rotor.version":"1"},)"
                             R"("chat_template":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const Status status =
      open_text_source(put("m.rotor", test::safetensors_bytes(header, "abcd"))).status();
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(), HasSubstr("tensor 'chat_template': expected U8 text, got F32 [1]"));
}

TEST_F(TextSourceTest, ATemplateOfMegabytesIsRefused) {
  put("tokenizer.json", read_testdata("gpt2.tokenizer.json"));
  put("chat_template.jinja", std::string((1 << 20) + 1, 'x'));
  const Status status = open_text_source(path()).status();
  EXPECT_EQ(status.code(), Code::kFormatError);
  EXPECT_THAT(status.message(), HasSubstr("chat_template.jinja"));
}

TEST_F(TextSourceTest, WhatIsNotThere) {
  EXPECT_EQ(open_text_source(path("absent")).status().code(), Code::kNotFound);
  EXPECT_FALSE(open_text_source(path()).ok());  // an empty folder
}

}  // namespace
}  // namespace rotor
