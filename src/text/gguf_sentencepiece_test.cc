// SPDX-License-Identifier: Apache-2.0
#include "text/gguf_sentencepiece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "text/tokenizer.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using Ids = std::vector<TokenId>;

// <unk> <s> </s>, two bytes, U+2581, a, U+2581 a, aa, a user-defined and an unused token.
GgufVocabulary arrays() {
  GgufVocabulary v;
  v.name = "m.gguf";
  v.model = "llama";
  v.tokens = {"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "\u2581", "a",
              "\u2581a", "aa", "  ", "<unused>"};
  v.types = {2, 3, 3, 6, 6, 1, 1, 1, 1, 4, 5};
  v.scores = {0, 0, 0, 0, 0, -9, -8, -1, -2, 0, 0};
  return v;
}

Ids encode(const GgufVocabulary& v, std::string_view text, bool special = false) {
  auto spec = tokenizer_from_gguf(v);
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  auto tokenizer = Tokenizer::create(*std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const auto ids = tokenizer->encode(text, {.add_bos = {}, .add_eos = {}, .parse_special = special});
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return *ids;
}

TEST(GgufSentencePiece, AsLlamaCpp) {
  EXPECT_EQ(encode(arrays(), ""), Ids{1});
  EXPECT_EQ(encode(arrays(), "aaa"), (Ids{1, 7, 8}));
  EXPECT_EQ(encode(arrays(), "\u00e9"), (Ids{1, 5, 3, 4}));
  EXPECT_EQ(encode(arrays(), "\u4e00b"), (Ids{1, 5, 0}));
  // A user-defined token is found first, and every stretch of text gets its space.
  EXPECT_EQ(encode(arrays(), "a  a"), (Ids{1, 7, 9, 7}));
  EXPECT_EQ(encode(arrays(), "a</s>a", true), (Ids{1, 7, 2, 7}));
  EXPECT_EQ(encode(arrays(), "<unused>"), (Ids{1, 5, 0}));
}

TEST(GgufSentencePiece, KeysChangeTheDefaults) {
  GgufVocabulary v = arrays();
  v.add_space_prefix = false;
  v.add_bos = false;
  v.add_eos = true;
  v.eos = 1;
  EXPECT_EQ(encode(v, "aa"), (Ids{8, 1}));
  v.remove_extra_whitespaces = true;
  EXPECT_EQ(encode(v, " a "), (Ids{6, 1}));
}

TEST(GgufSentencePiece, ContradictionsAreNamed) {
  const auto error = [](const GgufVocabulary& v) {
    const auto spec = tokenizer_from_gguf(v);
    EXPECT_EQ(spec.status().code(), Code::kFormatError);
    return spec.status().message();
  };
  GgufVocabulary v = arrays();
  v.scores.pop_back();
  EXPECT_THAT(error(v), HasSubstr("m.gguf: tokenizer.ggml.scores has 10 elements; expected 11"));
  v = arrays();
  v.scores[6] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error(v), HasSubstr("tokenizer.ggml.scores[6] is nan"));
  v = arrays();
  v.types[6] = 6;
  EXPECT_THAT(error(v), HasSubstr("tokenizer.ggml.tokens[6] is \"a\", of the type of bytes"));
  v = arrays();
  v.types.pop_back();
  EXPECT_THAT(error(v), HasSubstr("token_type has 10 elements"));
  v = arrays();
  v.bos = 11;
  EXPECT_THAT(error(v), HasSubstr("bos_token_id is 11; expected below 11"));
}

TEST(GgufSentencePiece, WithoutTypesBytesAreToldByTheirSpelling) {
  GgufVocabulary v = arrays();
  v.types.clear();
  v.bos = 1;
  v.unk = 0;
  EXPECT_EQ(encode(v, "\u00e9a"), (Ids{1, 5, 3, 4, 6}));
}

}  // namespace
}  // namespace rotor
