// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <string>

#include "text/sentencepiece_model.h"
#include "text/sentencepiece_test_file.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_json_writer.h"

namespace rotor {
namespace {

namespace proto = sentencepiece_proto;
using testing::HasSubstr;

TokenizerSpec model(bool prefix = true) {
  auto spec = parse_sentencepiece(test::llama_bytes(prefix), "t");
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  return *std::move(spec);
}

class SentencePieceJson : public testing::TestWithParam<bool> {};

TEST_P(SentencePieceJson, GivesTheSameIds) {
  TokenizerSpec spec = model(GetParam());
  spec.tokens.push_back("<user>");
  spec.kinds.push_back(TokenKind::kUserDefined);
  spec.scores.push_back(0);
  const auto terms = sentencepiece_as_json(spec);
  ASSERT_TRUE(terms.ok()) << terms.status().message();
  const auto text = write_tokenizer_json(*terms);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto again = parse_tokenizer_json(*text, "again");
  ASSERT_TRUE(again.ok()) << again.status().message();
  const auto one = Tokenizer::create(spec);
  const auto two = Tokenizer::create(*again);
  ASSERT_TRUE(one.ok() && two.ok()) << one.status().message() << two.status().message();
  const char* const parts[] = {"a", "b", "c", "ab", " ", "  ", "\n", "\u00e9", "\u4e00", "\u2581",
                               "<s>", "<user>", "</s>", "<unk>", "<0xC3>", "\xff"};
  std::mt19937 draw(7);
  for (int i = 0; i < 2000; ++i) {
    std::string words;
    for (size_t n = draw() % 20; n > 0; --n) {
      words += parts[draw() % std::size(parts)];
    }
    const EncodeOptions options{.add_bos = {}, .add_eos = {}, .parse_special = i % 2 == 0};
    const auto ids = one->encode(words, options);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    ASSERT_EQ(*two->encode(words, options), *ids) << words;
    ASSERT_EQ(*two->decode(*ids), *one->decode(*ids)) << words;
  }
}

INSTANTIATE_TEST_SUITE_P(Prefix, SentencePieceJson, testing::Bool());

TEST(SentencePieceJson, AddedTokensAmongTheOthersAreInTheVocabulary) {
  const std::string text = *write_tokenizer_json(*sentencepiece_as_json(model()));
  EXPECT_THAT(text, HasSubstr("\"<s>\":1"));
  EXPECT_THAT(text, HasSubstr("\"</s>\":2"));
}

TEST(SentencePieceJson, RefusesWhatTheFormatCannotSay) {
  const auto refusal = [](const TokenizerSpec& spec) {
    const Status status = sentencepiece_as_json(spec).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    return status.message();
  };
  EXPECT_THAT(refusal(*parse_sentencepiece(test::sentencepiece_bytes(proto::kUnigramModel), "t")),
              HasSubstr("unigram"));
  TokenizerSpec spec = model();
  spec.sentencepiece->charsmap = "map";
  EXPECT_THAT(refusal(spec), HasSubstr("precompiled_charsmap"));
  spec = model();
  spec.sentencepiece->remove_extra_whitespaces = true;
  EXPECT_THAT(refusal(spec), HasSubstr("remove_extra_whitespaces"));
  spec = model();
  spec.normalized.push_back({3, "x"});
  EXPECT_THAT(refusal(spec), HasSubstr("user-defined pieces"));
  spec = model();
  spec.tokens[7] = "\u00e9a";
  EXPECT_THAT(refusal(spec), HasSubstr("has a character that is no token"));
  spec = model();
  spec.scores[8] = spec.scores[7];
  EXPECT_THAT(refusal(spec), HasSubstr("have the same score"));
}

}  // namespace
}  // namespace rotor
