// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TokenizerSpec three_tokens() {
  TokenizerSpec spec;
  spec.tokens = {"<s>", "a", "b"};
  spec.kinds = {TokenKind::kControl, TokenKind::kNormal, TokenKind::kNormal};
  spec.scores = {0, -1, -2};
  spec.bos = 0;
  spec.add_bos = true;
  return spec;
}

TEST(TokenizerConfig, AddsTokensAndSaysWhichBeginAText) {
  TokenizerSpec spec = three_tokens();
  const Status status = apply_tokenizer_config(
      R"({"add_bos_token":false,"add_eos_token":true,"added_tokens_decoder":{
          "0":{"content":"<s>","special":true},"2":{"content":"b","special":true},
          "4":{"content":"<pad>","special":true,"lstrip":true},
          "5":{"content":"<x>","special":false,"single_word":true}}})",
      "c", spec);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_FALSE(spec.add_bos);
  EXPECT_FALSE(spec.add_eos);  // there is no end-of-text token
  EXPECT_THAT(spec.tokens, ElementsAre("<s>", "a", "b", "", "<pad>", "<x>"));
  using K = TokenKind;
  EXPECT_THAT(spec.kinds, ElementsAre(K::kControl, K::kNormal, K::kControl, K::kUnused, K::kControl,
                                      K::kUserDefined));
  EXPECT_EQ(spec.scores.size(), 6u);
  EXPECT_THAT(spec.strip_left, ElementsAre(4));
  EXPECT_THAT(spec.single_word, ElementsAre(5));
}

TEST(TokenizerConfig, AddedTokensOfOlderFolders) {
  TokenizerSpec spec = three_tokens();
  ASSERT_TRUE(apply_added_tokens(R"({"<pad>":3,"<s>":0})", "a", spec).ok());
  EXPECT_EQ(spec.tokens[3], "<pad>");
  EXPECT_EQ(spec.kinds[3], TokenKind::kUserDefined);
  EXPECT_EQ(spec.kinds[0], TokenKind::kControl);
}

TEST(TokenizerConfig, ContradictionsAreNamed) {
  TokenizerSpec spec = three_tokens();
  const auto config = [&](const std::string& tokens) {
    return apply_tokenizer_config(R"({"added_tokens_decoder":)" + tokens + "}", "c", spec).message();
  };
  EXPECT_THAT(config("[]"), HasSubstr("c: added_tokens_decoder: expected an object"));
  EXPECT_THAT(config(R"({"x":{"content":"a"}})"), HasSubstr("key \"x\"; expected a token id"));
  EXPECT_THAT(config(R"({"1":{}})"), HasSubstr("expected a \"content\""));
  EXPECT_THAT(config(R"({"1":{"content":"b"}})"), HasSubstr("\"b\" has id 1, but that is \"a\""));
  EXPECT_THAT(config(R"({"99999999":{"content":"c"}})"), HasSubstr("has id 99999999; expected 0"));
  EXPECT_THAT(config(R"({"-1":{"content":"c"}})"), HasSubstr("has id -1"));
  EXPECT_THAT(apply_added_tokens("[]", "a", spec).message(), HasSubstr("a: expected an object"));
  EXPECT_THAT(apply_added_tokens(R"({"x":"y"})", "a", spec).message(),
              HasSubstr("token \"x\": expected an integer id"));
}

}  // namespace
}  // namespace rotor
