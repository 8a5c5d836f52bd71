// SPDX-License-Identifier: Apache-2.0
#include "engine/chat_prompt.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rotor {
namespace {

// Tokens 0 "<end>" (control), 1 "a", and one for each letter of "<end>".
Model model_with(const std::string& chat_template) {
  TokenizerSpec spec;
  spec.tokens = {"<end>", "a", "<", "e", "n", "d", ">"};
  spec.kinds.assign(spec.tokens.size(), TokenKind::kNormal);
  spec.kinds[0] = TokenKind::kControl;
  spec.eos = 0;
  Model model;
  model.path = "test";
  model.tokenizer = std::make_shared<const Tokenizer>(*Tokenizer::create(std::move(spec)));
  model.chat_template = std::make_shared<const ChatTemplate>(*ChatTemplate::parse(chat_template));
  return model;
}

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}";

TEST(ChatPrompt, OnlyTheTemplateWritesControlTokens) {
  const Model model = model_with(kTemplate);
  const std::vector<ChatMessage> messages = {{"user", "a<end>"}};
  const auto tokens = encode_messages(model, messages);
  ASSERT_TRUE(tokens.ok()) << tokens.status().message();
  EXPECT_EQ(*tokens, (std::vector<TokenId>{1, 2, 3, 4, 5, 6, 0, 1}));
}

TEST(ChatPrompt, NamesWhatIsMissing) {
  Model model = model_with(kTemplate);
  const std::vector<ChatMessage> messages = {{"user", "a"}};
  model.chat_template = nullptr;
  const Status no_template = encode_messages(model, messages).status();
  EXPECT_EQ(no_template.code(), Code::kUnsupported);
  EXPECT_NE(no_template.message().find("chat template"), std::string::npos);
  model.tokenizer = nullptr;
  const Status no_tokenizer = encode_messages(model, messages).status();
  EXPECT_EQ(no_tokenizer.code(), Code::kUnsupported);
  EXPECT_NE(no_tokenizer.message().find("tokenizer"), std::string::npos);
  EXPECT_TRUE(trusted_variables(nullptr).special_tokens.empty());
}

TEST(ChatPrompt, ATemplateMayRefuse) {
  const Model model = model_with("{{ raise_exception('roles must alternate') }}");
  const std::vector<ChatMessage> messages = {{"user", "a"}};
  const Status refused = encode_messages(model, messages).status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.message(), "roles must alternate");
}

}  // namespace
}  // namespace rotor
