// SPDX-License-Identifier: Apache-2.0
#include "text/gguf_sentencepiece_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/gguf_vocabulary_writer.h"
#include "text/sentencepiece_json.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_test_file.h"
#include "text/tokenizer.h"

namespace rotor {
namespace {

namespace proto = sentencepiece_proto;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TokenizerSpec model(bool prefix = true) {
  auto spec = parse_sentencepiece(test::llama_bytes(prefix), "t");
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  return *std::move(spec);
}

TEST(GgufSentencePieceWriter, ReadsBackAsTheSameTokenizer) {
  for (const bool prefix : {true, false}) {
    TokenizerSpec spec = model(prefix);
    spec.add_eos = !prefix;
    spec.tokens.insert(spec.tokens.end(), {"<user>", ""});
    spec.kinds.insert(spec.kinds.end(), {TokenKind::kUserDefined, TokenKind::kUnused});
    spec.scores.resize(spec.tokens.size());
    std::vector<std::string> notes;
    const size_t rows = spec.tokens.size() + 2;
    const auto written = gguf_from_tokenizer(spec, rows, notes);
    ASSERT_TRUE(written.ok()) << written.status().message();
    EXPECT_THAT(notes, IsEmpty());
    EXPECT_EQ(written->tokens.size(), rows);
    EXPECT_THAT(std::vector(written->types.begin(), written->types.begin() + 4),
                ElementsAre(2, 3, 3, 6));
    const auto again = tokenizer_from_gguf(*written);
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->add_bos, spec.add_bos);
    EXPECT_EQ(again->add_eos, spec.add_eos);
    const auto one = Tokenizer::create(model(prefix));
    const auto two = Tokenizer::create(*again);
    ASSERT_TRUE(one.ok() && two.ok()) << two.status().message();
    for (const char* text : {"", " ", "ab  aba", "\u00e9\n\u4e00 </s>cab", "a <unk>"}) {
      for (const bool special : {false, true}) {
        const EncodeOptions options{.add_bos = true, .add_eos = false, .parse_special = special};
        EXPECT_EQ(*two->encode(text, options), *one->encode(text, options)) << text;
      }
    }
  }
}

TEST(GgufSentencePieceWriter, SaysWhatLlamaCppDoesNotDo) {
  TokenizerSpec spec = model();
  spec.sentencepiece->remove_extra_whitespaces = true;
  std::vector<std::string> notes;
  const auto written = gguf_from_sentencepiece(spec, spec.tokens.size(), notes);
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_THAT(notes, ElementsAre(HasSubstr("white space single")));
  EXPECT_TRUE(tokenizer_from_gguf(*written)->sentencepiece->remove_extra_whitespaces);
}

TEST(GgufSentencePieceWriter, RefusesWhatTheFormatCannotSay) {
  const auto refusal = [](const TokenizerSpec& spec, size_t rows = 100) {
    std::vector<std::string> notes;
    const Status status = gguf_from_tokenizer(spec, rows, notes).status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    return status.message();
  };
  EXPECT_THAT(refusal(*parse_sentencepiece(test::sentencepiece_bytes(proto::kUnigramModel), "t")),
              HasSubstr("unigram; a .rotor file can hold it"));
  EXPECT_THAT(refusal(*sentencepiece_as_json(model())), HasSubstr("without SentencePiece's scores"));
  EXPECT_THAT(refusal(model(), 5), HasSubstr("an embedding of 5 rows"));
  TokenizerSpec spec = model();
  spec.sentencepiece->charsmap = "map";
  EXPECT_THAT(refusal(spec), HasSubstr("precompiled_charsmap"));
  spec = model();
  spec.normalized.push_back({3, "x"});
  EXPECT_THAT(refusal(spec), HasSubstr("user-defined pieces"));
  spec = model();
  spec.bos = kNoToken;
  EXPECT_THAT(refusal(spec), HasSubstr("which tokens begin and end a text"));
  spec = model();
  spec.byte_fallback = false;
  EXPECT_THAT(refusal(spec), HasSubstr("characters without a token"));
  spec = model();
  spec.scores[8] = 0.1;
  EXPECT_THAT(refusal(spec), HasSubstr("scores beyond binary32"));
  spec = model();
  spec.first_space = FirstSpace::kKeep;
  EXPECT_THAT(refusal(spec), HasSubstr("which space"));
}

}  // namespace
}  // namespace rotor
