// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/tokenizer.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPipeline =
    R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false})";

std::string with_model(std::string_view model, std::string_view added = "[]") {
  std::string json = R"({"added_tokens":)";
  json.append(added).append(R"(,"model":)").append(model).append(",").append(kPipeline);
  return json + "}";
}

std::string error(const std::string& json, Code code = Code::kFormatError) {
  const auto spec = parse_tokenizer_json(json, "t.json");
  EXPECT_EQ(spec.status().code(), code) << spec.status().message();
  return spec.status().message();
}

TEST(TokenizerJson, BothFormsOfMerges) {
  for (const char* merge : {R"("\u0120 a")", R"(["\u0120","a"])"}) {
    const auto spec = parse_tokenizer_json(
        with_model(
            std::string(R"({"type":"BPE","vocab":{"a":0,"\u0120":1,"\u0120a":2},"merges":[)") +
            merge + "]}"),
        "t.json");
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_EQ(spec->tokens, (std::vector<std::string>{"a", " ", " a"}));
    ASSERT_EQ(spec->merges.size(), 1u);
    EXPECT_EQ(spec->merges[0].left, 1);
    EXPECT_EQ(*make_tokenizer(*spec).encode(" a a"), (std::vector<TokenId>{2, 2}));
  }
}

TEST(TokenizerJson, AnUntypedModelWithMergesIsBpe) {
  EXPECT_TRUE(parse_tokenizer_json(with_model(R"({"vocab":{"a":0},"merges":[]})"), "t.json").ok());
}

TEST(TokenizerJson, AddedTokensMayFillOrFollowTheVocabulary) {
  const auto spec = parse_tokenizer_json(
      with_model(R"({"type":"BPE","vocab":{"a":0,"<s>":2,"\u0120\u0120":3},"merges":[]})",
                 R"([{"id":2,"content":"<s>","special":true},{"id":3,"content":"  "},
                     {"id":5,"content":"<x>","special":false,"lstrip":true,"rstrip":true}])"),
      "t.json");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->tokens, (std::vector<std::string>{"a", "", "<s>", "  ", "", "<x>"}));
  using K = TokenKind;
  EXPECT_EQ(spec->kinds, (std::vector<K>{K::kNormal, K::kUnused, K::kControl, K::kUserDefined,
                                         K::kUnused, K::kUserDefined}));
  EXPECT_EQ(spec->strip_left, std::vector<TokenId>{5});
  EXPECT_EQ(spec->strip_right, std::vector<TokenId>{5});
}

TEST(TokenizerJson, TokensOutsideTheByteAlphabetAreUnused) {
  const auto spec = parse_tokenizer_json(
      with_model(R"({"type":"BPE","vocab":{"a":0,"a b":1,"\u4e00":2},"merges":[]})"), "t.json");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->tokens[1], "a b");
  EXPECT_EQ(spec->kinds[1], TokenKind::kUnused);
  EXPECT_EQ(spec->kinds[2], TokenKind::kUnused);
}

// What `tokenizers` writes after add_tokens() with texts that its training had learned already.
std::string with_learned_dots(std::string_view special) {
  std::string added = R"([{"id":3,"content":"...","special":)";
  added.append(special).append("}]");
  return with_model(R"({"type":"BPE","vocab":{".":0,"a":1,"..":2,"...":3,"....":4,"a...":5},)"
                    R"("merges":[". .",".. .","... .","a ..."]})",
                    added);
}

TEST(TokenizerJson, AnAddedTokenMayBeOneThatMergesMake) {
  const auto spec = parse_tokenizer_json(with_learned_dots("false"), "t.json");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->kinds[3], TokenKind::kUserDefined);
  const Tokenizer tokenizer = make_tokenizer(*spec);
  EXPECT_EQ(*tokenizer.encode("a....."), (std::vector<TokenId>{1, 3, 2}));
  EXPECT_EQ(tokenizer.find_token("..."), 3);
}

TEST(TokenizerJson, MergesMakeNoControlToken) {
  const auto spec = parse_tokenizer_json(with_learned_dots("true"), "t.json");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->merges.size(), 1u);
  const Tokenizer tokenizer = make_tokenizer(*spec);
  EXPECT_EQ(*tokenizer.encode("a....."), (std::vector<TokenId>{1, 2, 2, 0}));
  EXPECT_EQ(*tokenizer.encode("a.....", without_bos(true)), (std::vector<TokenId>{1, 3, 2}));
}

// Beyond ASCII the text of a shared token is not its bytes: U+00E9 stands for the byte 0xE9.
TEST(TokenizerJson, AnAddedTokenMayBeAByte) {
  for (const std::string special : {"false", "true"}) {
    const auto spec = parse_tokenizer_json(
        with_model(R"({"type":"BPE","vocab":{"a":0,"\u00e9":1,"|":2},"merges":[]})",
                   R"([{"id":2,"content":"|","special":)" + special +
                       R"(},{"id":1,"content":"\u00e9","special":)" + special + "}]"),
        "t.json");
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    const Tokenizer tokenizer = make_tokenizer(*spec);
    EXPECT_EQ(*tokenizer.encode("a|\xe9\xc3\xa9", without_bos(true)),
              (std::vector<TokenId>{0, 2, 1, 1}));
    EXPECT_EQ(*tokenizer.encode("a|\xe9"), (std::vector<TokenId>{0, 2, 1}));
    EXPECT_EQ(tokenizer.token_bytes(1), "\xe9");
  }
}

TEST(TokenizerJson, AddedTokensMayBeAbsent) {
  const std::string json =
      R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]},)" + std::string(kPipeline) + "}";
  EXPECT_TRUE(parse_tokenizer_json(json, "t.json").ok());
}

TEST(TokenizerJson, UnknownToken) {
  const std::string model = R"({"type":"BPE","unk_token":"<unk>","vocab":{"a":0)";
  EXPECT_EQ(parse_tokenizer_json(with_model(model + R"(,"<unk>":1},"merges":[]})"), "t.json")->unk,
            1);
  EXPECT_THAT(error(with_model(model + R"(},"merges":[]})")),
              HasSubstr("model.unk_token: \"<unk>\" is not in the vocabulary"));
}

TEST(TokenizerJson, OtherModelsAreRefusedByName) {
  EXPECT_EQ(
      error(with_model(R"({"type":"WordPiece","vocab":{}})"), Code::kUnsupported),
      "t.json (tokenizer.json): model.type: unsupported tokenizer model \"WordPiece\"; expected "
      "\"BPE\"");
  EXPECT_THAT(error(with_model(R"({"type":"Unigram","vocab":[]})"), Code::kUnsupported),
              HasSubstr("\"Unigram\""));
  EXPECT_THAT(error(with_model(R"({"vocab":{}})"), Code::kUnsupported),
              HasSubstr("without a type"));
  const auto option = [](const std::string& text) {
    return error(with_model(R"({"type":"BPE","vocab":{},"merges":[],)" + text + "}"),
                 Code::kUnsupported);
  };
  EXPECT_THAT(option(R"("byte_fallback":true)"), HasSubstr("model.byte_fallback is true"));
  EXPECT_THAT(option(R"("continuing_subword_prefix":"##")"), HasSubstr("_prefix: \"##\""));
  EXPECT_THAT(option(R"("end_of_word_suffix":"</w>")"), HasSubstr("_suffix: \"</w>\""));
  EXPECT_THAT(option(R"("dropout":0.5)"), HasSubstr("model.dropout is 0.5"));
}

TEST(TokenizerJson, ContradictionsAreNamed) {
  const auto vocab = [](const std::string& text) {
    return error(with_model(R"({"type":"BPE","vocab":)" + text + R"(,"merges":[]})"));
  };
  EXPECT_THAT(vocab("[]"), HasSubstr("model.vocab: expected an object"));
  EXPECT_THAT(vocab(R"({"a":"0"})"), HasSubstr("token \"a\": expected an integer id"));
  EXPECT_THAT(vocab(R"({"a":-1})"), HasSubstr("token \"a\" has id -1; expected 0 to"));
  EXPECT_THAT(vocab(R"({"a":4000000000})"), HasSubstr("has id 4000000000; expected 0 to 65537"));
  EXPECT_THAT(vocab(R"({"a":0,"b":0})"),
              HasSubstr("token \"b\" has id 0, which another token has"));
  const auto added = [](const std::string& text) {
    return error(with_model(R"({"type":"BPE","vocab":{"a":0},"merges":[]})", text));
  };
  EXPECT_THAT(added("{}"), HasSubstr("added_tokens: expected an array"));
  EXPECT_THAT(added("[3]"), HasSubstr("added_tokens: expected objects with"));
  EXPECT_THAT(added(R"([{"id":1}])"), HasSubstr("added_tokens: expected objects with"));
  EXPECT_THAT(added(R"([{"id":1,"content":""}])"),
              HasSubstr("added_tokens: expected objects with"));
  EXPECT_THAT(added(R"([{"id":0,"content":"b"}])"), HasSubstr("\"b\" has id 0, but that is \"a\""));
  EXPECT_THAT(added(R"([{"id":1,"content":"b"},{"id":1,"content":"b"}])"),
              HasSubstr("\"b\" has id 1, but that is \"b\""));
  EXPECT_THAT(added(R"([{"id":1,"content":"b","special":"yes"}])"), HasSubstr("\"special\""));
  EXPECT_THAT(added(R"([{"id":99999999,"content":"b"}])"), HasSubstr("has id 99999999"));
  const auto merges = [](const std::string& text) {
    return error(with_model(R"({"type":"BPE","vocab":{"a":0,"b":1},"merges":)" + text + "}"));
  };
  EXPECT_THAT(merges("{}"), HasSubstr("model.merges: expected an array"));
  EXPECT_THAT(merges("[1]"), HasSubstr("model.merges: element 0: expected"));
  EXPECT_THAT(merges(R"([["a"]])"), HasSubstr("model.merges: element 0: expected"));
  EXPECT_THAT(merges(R"([["a",1]])"), HasSubstr("model.merges: element 0: expected"));
  EXPECT_THAT(merges(R"(["a c"])"), HasSubstr("merge 0: expected \"c\" to be in the vocabulary"));
  EXPECT_THAT(error("[]"), HasSubstr("model: expected an object"));
  EXPECT_THAT(error("{"), HasSubstr("t.json"));
  EXPECT_THAT(error(with_model("3")), HasSubstr("model: expected an object"));
}

TEST(TokenizerJson, SingleWordIsRefused) {
  EXPECT_THAT(error(with_model(R"({"type":"BPE","vocab":{},"merges":[]})",
                               R"([{"id":0,"content":"w","single_word":true}])"),
                    Code::kUnsupported),
              HasSubstr("\"w\" has single_word true; expected false"));
}

// Every prefix of a real file is refused, whatever it cuts.
TEST(TokenizerJson, EveryTruncationIsAnError) {
  const std::string json = read_testdata("gpt2.tokenizer.json");
  for (size_t size = 0; size < json.size(); size += 7) {
    ASSERT_FALSE(parse_tokenizer_json(std::string_view(json).substr(0, size), "cut").ok()) << size;
  }
}

}  // namespace
}  // namespace rotor
