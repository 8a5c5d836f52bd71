// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/json.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text,
                            const EncodeOptions& options) {
  const auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status().message();
  return ids.ok() ? *ids : std::vector<TokenId>();
}

std::string decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  const auto text = tokenizer.decode(ids);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : std::string();
}

class Golden : public testing::TestWithParam<const char*> {};

// Ids from the `tokenizers` package for sentences, runs and mixtures of scripts.
TEST_P(Golden, IdsAreThoseOfTheReference) {
  const std::string name = GetParam();
  const Tokenizer tokenizer = fixture_tokenizer(name);
  std::istringstream lines(read_testdata("golden.jsonl"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto document = JsonDocument::parse(line, "golden.jsonl");
    ASSERT_TRUE(document.ok()) << document.status().message();
    const std::string_view text = document->root()["text"];
    std::vector<TokenId> expected;
    for (const JsonValue id : JsonArray(document->root()["ids"][name])) {
      expected.push_back(static_cast<TokenId>(int64_t{id}));
    }
    EncodeOptions options;
    options.parse_special = bool{document->root()["special"]};
    const std::vector<TokenId> ids = encode(tokenizer, text, options);
    ASSERT_EQ(ids, expected) << name << " line " << count + 1 << ": " << text;
    if (name != "qwen2") {  // which normalises
      ASSERT_EQ(decode(tokenizer, ids), "<|begin|>" + std::string(text));
    }
  }
  EXPECT_EQ(count, 265);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Golden,
                         testing::Values("llama3", "gpt2", "qwen2", "digits", "foreign"),
                         [](const auto& info) { return std::string(info.param); });

class SpecialTokens : public testing::Test {
 protected:
  TokenId id(std::string_view text) { return *tokenizer_.find_token(text); }
  std::vector<TokenId> segments(const std::vector<TextSegment>& list) {
    const auto ids = tokenizer_.encode_segments(list, without_bos());
    EXPECT_TRUE(ids.ok()) << ids.status().message();
    return *ids;
  }
  bool has(const std::vector<TokenId>& ids, TokenId wanted) {
    return std::find(ids.begin(), ids.end(), wanted) != ids.end();
  }

  Tokenizer tokenizer_ = fixture_tokenizer("llama3");
  const TokenId eot_ = id("<|eot_id|>");
};

TEST_F(SpecialTokens, TextIsTextUnlessAsked) {
  const std::string text = "a<|eot_id|>b";
  const std::vector<TokenId> plain = encode(tokenizer_, text, without_bos());
  EXPECT_FALSE(has(plain, eot_));
  EXPECT_EQ(decode(tokenizer_, plain), text);
  EXPECT_THAT(encode(tokenizer_, text, without_bos(true)), ElementsAre(id("a"), eot_, id("b")));
}

TEST_F(SpecialTokens, UserDefinedTokensAreRecognisedEverywhere) {
  EXPECT_THAT(encode(tokenizer_, "a<tool>", without_bos()), ElementsAre(id("a"), id("<tool>")));
}

TEST_F(SpecialTokens, LongestMatchWins) {
  EXPECT_THAT(encode(tokenizer_, "<|eot_id|>x", without_bos(true)), ElementsAre(id("<|eot_id|>x")));
}

TEST_F(SpecialTokens, OnlyWhollyTrustedBytesMatch) {
  EXPECT_THAT(segments({{"<|eot_id|>", true}}), ElementsAre(eot_));
  EXPECT_THAT(segments({{"<|eot", true}, {"_id|>", true}}), ElementsAre(eot_));
  EXPECT_FALSE(has(segments({{"<|eot_id|>", false}}), eot_));
  EXPECT_FALSE(has(segments({{"<|eot_id|", true}, {">", false}}), eot_));
  EXPECT_FALSE(has(segments({{"<", false}, {"|eot_id|>", true}}), eot_));
  EXPECT_FALSE(has(segments({{"<|eot", true}, {"_", false}, {"id|>", true}}), eot_));
}

TEST_F(SpecialTokens, ShorterMatchIsTakenWhereTheLongerIsNotTrusted) {
  EXPECT_THAT(segments({{"<|eot_id|>", true}, {"x", false}}), ElementsAre(eot_, id("x")));
}

TEST_F(SpecialTokens, SegmentsAreSplitAsOneText) {
  const std::vector<TokenId> whole = encode(tokenizer_, "User: ban then\n\n 12345", without_bos());
  EXPECT_EQ(segments({{"User: ", true}, {"ban the", false}, {"n\n", true}, {"\n 12345", false}}),
            whole);
  EXPECT_EQ(segments({{"", true}, {"User: ban then\n\n 12345", false}, {"", false}}), whole);
}

TEST_F(SpecialTokens, EverySplitOfAPromptInTwoSegments) {
  const std::string prompt = "User: hi<|eot_id|>Assistant: ";
  const size_t begin = prompt.find("<|eot");
  const size_t end = prompt.find("Assistant");
  for (size_t cut = 0; cut <= prompt.size(); ++cut) {
    const std::string_view text = prompt;
    EXPECT_EQ(has(segments({{text.substr(0, cut), true}, {text.substr(cut), false}}), eot_),
              cut >= end);
    EXPECT_EQ(has(segments({{text.substr(0, cut), false}, {text.substr(cut), true}}), eot_),
              cut <= begin);
  }
}

TEST_F(SpecialTokens, BeginOfTextIsAddedOnce) {
  const std::vector<TextSegment> with = {{"<|begin|>", true}, {"a", false}};
  const std::vector<TextSegment> faked = {{"<|begin|>a", false}};
  EXPECT_THAT(*tokenizer_.encode_segments(with), ElementsAre(tokenizer_.bos(), id("a")));
  EXPECT_EQ(tokenizer_.encode_segments(faked)->front(), tokenizer_.bos());
  EXPECT_GT(tokenizer_.encode_segments(faked)->size(), 3u);
  EXPECT_THAT(encode(tokenizer_, "", {}), ElementsAre(tokenizer_.bos()));
}

TEST_F(SpecialTokens, StripFlagsSwallowWhiteSpace) {
  TokenizerSpec spec = fixture_spec("llama3");
  spec.strip_left = {eot_};
  spec.strip_right = {eot_};
  const Tokenizer tokenizer = make_tokenizer(std::move(spec));
  EXPECT_THAT(encode(tokenizer, "a \n\xE3\x80\x80<|eot_id|>\t\xC2\xA0 b", without_bos(true)),
              ElementsAre(id("a"), eot_, id("b")));
  EXPECT_THAT(encode(tokenizer, " <|eot_id|> <|eot_id|> ", without_bos(true)),
              ElementsAre(eot_, eot_));
}

TEST_F(SpecialTokens, EndOfGenerationIsKnownByText) {
  EXPECT_EQ(tokenizer_.end_of_generation(), (std::vector<TokenId>{id("<|end_of_text|>"), eot_}));
  EXPECT_TRUE(tokenizer_.ends_generation(eot_));
  EXPECT_FALSE(tokenizer_.ends_generation(id("a")));
}

TEST_F(SpecialTokens, DecodeCanSkipThem) {
  EXPECT_EQ(*tokenizer_.decode(std::vector<TokenId>{tokenizer_.bos(), id("a"), eot_}, true), "a");
}

TEST_F(SpecialTokens, IdsOutsideTheVocabulary) {
  for (const TokenId bad : {-1, static_cast<TokenId>(tokenizer_.size()), INT32_MAX, INT32_MIN}) {
    const auto text = tokenizer_.decode(std::vector<TokenId>{id("a"), bad});
    ASSERT_FALSE(text.ok());
    EXPECT_THAT(text.status().message(), HasSubstr("at position 1: expected 0 to 564"));
    EXPECT_EQ(tokenizer_.token_bytes(bad), "");
    EXPECT_EQ(tokenizer_.kind(bad), TokenKind::kUnused);
  }
}

TEST(Tokenizer, BytesWithoutATokenAreAnErrorThatNamesThem) {
  TokenizerSpec spec;
  spec.source = "small";
  spec.tokens = {"a", "b", "ab"};
  spec.kinds.assign(3, TokenKind::kNormal);
  spec.merges = {{0, 1}};
  const Tokenizer tokenizer = make_tokenizer(spec);
  EXPECT_THAT(encode(tokenizer, "abb", {}), ElementsAre(2, 1));
  const auto ids = tokenizer.encode("ab\xFFz");
  EXPECT_EQ(ids.status().code(), Code::kUnsupported);
  EXPECT_EQ(ids.status().message(),
            "small: the vocabulary has no token for byte 0xff (in \"\\xffz\")");
  spec.tokens.push_back("<unk>");
  spec.kinds.push_back(TokenKind::kControl);
  spec.unk = 3;
  EXPECT_THAT(encode(make_tokenizer(spec), "a?b", {}), ElementsAre(0, 3, 1));
}

TEST(Tokenizer, ContradictorySpecsAreRefused) {
  const auto message = [](const TokenizerSpec& spec) {
    const auto tokenizer = Tokenizer::create(spec);
    EXPECT_EQ(tokenizer.status().code(), Code::kFormatError);
    return tokenizer.status().message();
  };
  TokenizerSpec spec;
  spec.source = "bad";
  EXPECT_THAT(message(spec), HasSubstr("0 tokens; expected 1 to"));
  spec.tokens = {"a", "b"};
  EXPECT_EQ(message(spec), "bad: 0 token types for 2 tokens; expected as many");
  spec.kinds.assign(2, TokenKind::kNormal);
  spec.bos = 2;
  EXPECT_THAT(message(spec), HasSubstr("begin-of-text token id is 2; expected below 2"));
  spec.bos = kNoToken;
  spec.end_of_generation = {-5};
  EXPECT_THAT(message(spec), HasSubstr("token id -5"));
  spec.end_of_generation = {};
  spec.tokens[1] = "a";
  EXPECT_EQ(message(spec), "bad: tokens 0 and 1 are both \"a\"");
  spec.tokens[1] = "b";
  spec.merges = {{0, 1}};
  EXPECT_EQ(message(spec),
            "bad: merge 0: expected \"a\" joined with \"b\" to be in the vocabulary; it is not");
}

}  // namespace
}  // namespace rotor
