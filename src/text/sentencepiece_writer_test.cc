// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/gguf_vocabulary.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_test_file.h"
#include "text/sentencepiece_test_map.h"
#include "text/tokenizer.h"

namespace rotor {
namespace {

namespace proto = sentencepiece_proto;

const EncodeOptions kSpecial{.add_bos = {}, .add_eos = {}, .parse_special = true};

void expect_kept(const TokenizerSpec& spec, const std::string& text) {
  const auto written = write_sentencepiece(spec);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const auto again = parse_sentencepiece(*written, "written");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->tokens, spec.tokens);
  EXPECT_EQ(again->kinds, spec.kinds);
  EXPECT_EQ(again->bos, spec.bos);
  EXPECT_EQ(again->eos, spec.eos);
  EXPECT_EQ(again->unk, spec.unk);
  EXPECT_EQ(again->unknown_score, spec.model == TokenizerModel::kUnigram ? spec.unknown_score
                                                                          : again->unknown_score);
  EXPECT_EQ(*write_sentencepiece(*again), *written);
  const auto one = Tokenizer::create(spec);
  const auto two = Tokenizer::create(*again);
  ASSERT_TRUE(one.ok() && two.ok()) << two.status().message();
  const auto ids = one->encode(text, kSpecial);
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(*two->encode(text, kSpecial), *ids);
  EXPECT_EQ(*two->decode(*ids), *one->decode(*ids));
}

TEST(SentencePieceWriter, KeepsModels) {
  for (const auto type : {proto::kBpeModel, proto::kUnigramModel}) {
    auto spec = parse_sentencepiece(test::sentencepiece_bytes(type), "t");
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    expect_kept(*spec, "ab  \u00e9\u4e00<u>a</s>a");
    spec->sentencepiece->charsmap = test::charsmap_bytes({{"u", "a"}, {"x", " "}});
    spec->sentencepiece->remove_extra_whitespaces = false;
    spec->add_bos = false;
    spec->add_eos = true;
    expect_kept(*spec, "ubx <u>a");
  }
}

TEST(SentencePieceWriter, KeepsWhatGgufFilesSay) {
  GgufVocabulary v;
  v.name = "m";
  v.model = "llama";
  v.tokens = {"<unk>", "<s>", "</s>", "a", "\u2581", "\u2581a", "<u>", "<pad>"};
  v.types = {2, 3, 3, 1, 1, 1, 4, 5};
  v.scores = {0, 0, 0, -3, -4, -1, 0, 0};
  const auto spec = tokenizer_from_gguf(v);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  expect_kept(*spec, "a<u>a a");  // a space after the user-defined token too
}

TEST(SentencePieceWriter, RefusesOthers) {
  TokenizerSpec spec;
  EXPECT_EQ(write_sentencepiece(spec).status().code(), Code::kUnsupported);
  spec = *parse_sentencepiece(test::sentencepiece_bytes(proto::kBpeModel), "t");
  spec.strip_left = {10};
  EXPECT_THAT(write_sentencepiece(spec).status().message(), testing::HasSubstr("lstrip"));
}

}  // namespace
}  // namespace rotor
