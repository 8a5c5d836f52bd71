// SPDX-License-Identifier: Apache-2.0
#include "text/sentencepiece_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "text/sentencepiece_test_file.h"
#include "text/tokenizer.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using Ids = std::vector<TokenId>;
namespace proto = sentencepiece_proto;

Tokenizer make(const std::string& bytes) {
  auto spec = parse_sentencepiece(bytes, "t.model");
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  auto tokenizer = Tokenizer::create(*std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *std::move(tokenizer);
}

TEST(SentencePieceModel, Bpe) {
  const Tokenizer tokenizer = make(test::sentencepiece_bytes(proto::kBpeModel));
  EXPECT_EQ(tokenizer.model(), TokenizerModel::kCharacterBpe);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  EXPECT_TRUE(tokenizer.add_bos());
  EXPECT_EQ(*tokenizer.encode("ab"), (Ids{1, 8, 7}));
  EXPECT_EQ(*tokenizer.encode("b  ab "), (Ids{1, 5, 7, 8, 7}));
  EXPECT_EQ(*tokenizer.encode("\u00e9"), (Ids{1, 5, 3, 4}));
  EXPECT_EQ(*tokenizer.encode("a<u>ab"), (Ids{1, 8, 10, 9}));  // no space after the symbol
  EXPECT_EQ(*tokenizer.encode("<s>"), (Ids{1, 5, 0}));
  EXPECT_EQ(*tokenizer.decode(Ids{8, 7, 3, 4, 8}), "ab\u00e9 a");
  EXPECT_EQ(*tokenizer.decode(Ids{1, 8}, true), "a");
}

TEST(SentencePieceModel, Unigram) {
  const Tokenizer tokenizer = make(test::sentencepiece_bytes(proto::kUnigramModel));
  EXPECT_EQ(tokenizer.model(), TokenizerModel::kUnigram);
  EXPECT_EQ(*tokenizer.encode("ab"), (Ids{1, 5, 9}));  // -3 - 2 against -1 - 5
  EXPECT_EQ(*tokenizer.encode("a<u>"), (Ids{1, 8, 10}));
  EXPECT_EQ(*tokenizer.encode("\u00e9\u4e00"), (Ids{1, 5, 3, 4, 0}));
}

TEST(SentencePieceModel, UserDefinedPiecesOfUnigramModelsCostNothing) {
  const auto spec =
      parse_sentencepiece(test::sentencepiece_bytes(proto::kUnigramModel), "t.model");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  ASSERT_EQ(spec->tokens[10], "<u>");
  EXPECT_NEAR(spec->scores[10], 0.2, 1e-6);
}

TEST(SentencePieceModel, RulesOfNormalisation) {
  const std::string file = test::sentencepiece_bytes(proto::kBpeModel);
  const std::string as_is = test::bytes_field(
      proto::kNormalizerSpec, test::number_field(proto::kAddDummyPrefix, 0) +
                                  test::number_field(proto::kRemoveExtraWhitespaces, 0));
  EXPECT_EQ(*make(file + as_is).encode(" ab "), (Ids{1, 8, 7, 5}));
  EXPECT_EQ(*make(file + as_is).decode(Ids{8}), " a");
}

std::string error(const std::string& bytes, Code code) {
  const auto spec = parse_sentencepiece(bytes, "t.model");
  EXPECT_EQ(spec.status().code(), code);
  return spec.status().message();
}

TEST(SentencePieceModel, WhatIsNotFollowedIsRefusedByName) {
  const std::string file = test::sentencepiece_bytes(proto::kBpeModel);
  const auto trainer = [&](uint32_t field, uint64_t value) {
    return error(file + test::bytes_field(proto::kTrainerSpec, test::number_field(field, value)),
                 Code::kUnsupported);
  };
  EXPECT_THAT(trainer(proto::kModelType, proto::kWordModel),
              HasSubstr("t.model (SentencePiece): unsupported model type 3 (word)"));
  EXPECT_THAT(trainer(proto::kModelType, 4), HasSubstr("4 (char)"));
  EXPECT_THAT(trainer(proto::kModelType, 77), HasSubstr("type 77; expected"));
  EXPECT_THAT(trainer(proto::kTreatWhitespaceAsSuffix, 1), HasSubstr("whitespace_as_suffix"));
  EXPECT_THAT(error(file + test::bytes_field(proto::kNormalizerSpec,
                                             test::number_field(proto::kEscapeWhitespaces, 0)),
                    Code::kUnsupported),
              HasSubstr("escape_whitespaces"));
  EXPECT_THAT(error(file + test::bytes_field(proto::kDenormalizerSpec,
                                             test::bytes_field(proto::kPrecompiledCharsmap, "x")),
                    Code::kUnsupported),
              HasSubstr("denormalizer"));
}

TEST(SentencePieceModel, BrokenFilesNameTheByte) {
  EXPECT_THAT(error("", Code::kFormatError), HasSubstr("it holds no pieces"));
  EXPECT_THAT(error(test::piece_field("", 0), Code::kFormatError),
              HasSubstr("byte 2: piece 0 has no text"));
  EXPECT_THAT(error(test::piece_field("a", 0, 7), Code::kFormatError),
              HasSubstr("piece type 7; expected 1 to 6"));
  EXPECT_THAT(error(test::piece_field("a", std::numeric_limits<float>::infinity()),
                    Code::kFormatError),
              HasSubstr("a score that is not finite"));
  EXPECT_THAT(error(test::number_field(proto::kPieces, 3), Code::kFormatError),
              HasSubstr("field 1 has wire type 0; expected 2"));
  EXPECT_THAT(error("\x0A\x7F\x0A", Code::kFormatError), HasSubstr("has 127 bytes; 1 are left"));
}

// No prefix crashes; those that end between two fields of the model are shorter models.
TEST(SentencePieceModel, EveryTruncation) {
  const std::string file = test::sentencepiece_bytes(proto::kUnigramModel);
  int accepted = 0;
  for (size_t size = 0; size < file.size(); ++size) {
    const auto spec = parse_sentencepiece(std::string_view(file).substr(0, size), "cut");
    EXPECT_TRUE(spec.ok() || !spec.status().message().empty());
    accepted += spec.ok() ? 1 : 0;
  }
  EXPECT_EQ(accepted, 11);  // after each piece
}

}  // namespace
}  // namespace rotor
