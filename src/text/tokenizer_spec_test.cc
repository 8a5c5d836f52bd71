// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_spec.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(TokenizerSpec, ByteTokens) {
  EXPECT_EQ(byte_of_token("<0x00>"), 0);
  EXPECT_EQ(byte_of_token("<0xFF>"), 255);
  EXPECT_EQ(byte_of_token("<0x0A>"), 10);
  for (const char* other : {"", "<0x>", "<0xff>", "<0x0G>", "<0x00> ", "(0x00>", "<0x000>"}) {
    EXPECT_EQ(byte_of_token(other), std::nullopt) << other;
  }
}

TEST(TokenizerSpec, OrdinaryTokens) {
  TokenizerSpec spec;
  spec.kinds = {TokenKind::kNormal, TokenKind::kControl, TokenKind::kUserDefined, TokenKind::kByte,
                TokenKind::kUnused};
  spec.shared = {{2, "x"}};
  EXPECT_EQ(ordinary_tokens(spec), (std::vector<bool>{true, false, true, false, false}));
}

TEST(TokenizerSpec, ModelsHaveNames) {
  EXPECT_EQ(tokenizer_model_name(TokenizerModel::kByteBpe), "byte-level BPE");
  EXPECT_EQ(tokenizer_model_name(TokenizerModel::kCharacterBpe), "SentencePiece BPE");
  EXPECT_EQ(tokenizer_model_name(TokenizerModel::kUnigram), "SentencePiece unigram");
}

}  // namespace
}  // namespace rotor
