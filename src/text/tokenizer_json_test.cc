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
      "\"BPE\" or \"Unigram\"");
  EXPECT_THAT(error(with_model(R"({"vocab":{}})"), Code::kUnsupported),
              HasSubstr("without a type"));
  const auto option = [](const std::string& text) {
    return error(with_model(R"({"type":"BPE","vocab":{},"merges":[],)" + text + "}"),
                 Code::kUnsupported);
  };
  EXPECT_THAT(option(R"("byte_fallback":true)"),
              HasSubstr("model.byte_fallback is true; expected false: the pre-tokenizer ByteLevel"));
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

// Every prefix of a real file is refused, whatever it cuts.
TEST(TokenizerJson, EveryTruncationIsAnError) {
  const std::string json = read_testdata("gpt2.tokenizer.json");
  for (size_t size = 0; size < json.size(); size += 7) {
    ASSERT_FALSE(parse_tokenizer_json(std::string_view(json).substr(0, size), "cut").ok()) << size;
  }
}

Tokenizer tokenizer_of(const std::string& json) {
  auto spec = parse_tokenizer_json(json, "t.json");
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  return make_tokenizer(*std::move(spec));
}

TEST(TokenizerJson, ASingleWordIsRecognisedBetweenNoWords) {
  const Tokenizer tokenizer = tokenizer_of(
      with_model(R"({"type":"BPE","vocab":{"a":0,"b":1,"-":2},"merges":[]})",
                 R"([{"id":3,"content":"ab","single_word":true}])"));
  EXPECT_EQ(*tokenizer.encode("ab-ab"), (std::vector<TokenId>{3, 2, 3}));
  EXPECT_EQ(*tokenizer.encode("aab-"), (std::vector<TokenId>{0, 0, 1, 2}));
  EXPECT_EQ(*tokenizer.encode("abab"), (std::vector<TokenId>{0, 1, 0, 1}));
}

// A token with "normalized" is recognised as what the normalizer makes of it, in normalised text.
TEST(TokenizerJson, NormalizedAddedTokens) {
  const std::string model = R"({"type":"BPE","vocab":{"a":0,"b":1,"A":2,"B":3},"merges":[]})";
  const auto with = [&](const std::string& normalized) {
    return R"({"normalizer":{"type":"Lowercase"},)" +
           with_model(model, R"([{"id":4,"content":"AB","normalized":)" + normalized + "}]")
               .substr(1);
  };
  EXPECT_EQ(*tokenizer_of(with("true")).encode("aBAbA"), (std::vector<TokenId>{4, 4, 0}));
  EXPECT_EQ(*tokenizer_of(with("false")).encode("aBABA"), (std::vector<TokenId>{0, 1, 4, 0}));
}

constexpr const char* kBytesAB = R"("<0x41>":1,"<0xC3>":2,"<0xA9>":3)";

std::string characters(const std::string& model, const std::string& rest = "") {
  return R"({"added_tokens":[{"id":0,"content":"<unk>","special":true}],"model":)" + model + rest +
         "}";
}

TEST(TokenizerJson, CharactersFallBackToBytes) {
  const std::string model = R"({"type":"BPE","unk_token":"<unk>","fuse_unk":true,
      "byte_fallback":true,"vocab":{"<unk>":0,)" + std::string(kBytesAB) +
                            R"(,"a":4,"aa":5},"merges":["a a"]})";
  const Tokenizer tokenizer = tokenizer_of(characters(model));
  EXPECT_EQ(tokenizer.model(), TokenizerModel::kCharacterBpe);
  // A and U+00E9 have all their bytes, b and U+4E00 do not.
  EXPECT_EQ(*tokenizer.encode("aaA\u00e9ab\u4e00ba"),
            (std::vector<TokenId>{5, 1, 2, 3, 4, 0, 4}));
  EXPECT_EQ(*tokenizer.decode(std::vector<TokenId>{5, 1, 2, 3}), "aaA\u00e9");
  // The spelling of a byte is text.
  EXPECT_EQ(*tokenizer.encode("<0x41>"), std::vector<TokenId>{0});
}

TEST(TokenizerJson, MetaspacePutsMarksInFront) {
  const std::string model =
      R"({"type":"BPE","vocab":{"<unk>":0,"\u2581":1,"a":2,"\u2581a":3},"merges":["\u2581 a"]})";
  const auto with = [&](const std::string& scheme) {
    return tokenizer_of(characters(
        model, R"(,"pre_tokenizer":{"type":"Metaspace","prepend_scheme":")" + scheme +
                   R"(","split":false},"decoder":{"type":"Metaspace","prepend_scheme":")" + scheme +
                   "\"}"));
  };
  const EncodeOptions special{.add_bos = {}, .add_eos = {}, .parse_special = true};
  EXPECT_EQ(*with("always").encode("a<unk>a", special), (std::vector<TokenId>{3, 0, 3}));
  EXPECT_EQ(*with("first").encode("a<unk>a", special), (std::vector<TokenId>{3, 0, 2}));
  EXPECT_EQ(*with("first").encode("<unk>a", special), (std::vector<TokenId>{0, 2}));
  EXPECT_EQ(*with("never").encode("a a"), (std::vector<TokenId>{2, 3}));
  EXPECT_EQ(*with("always").encode(" a"), std::vector<TokenId>{3});
  EXPECT_EQ(*with("always").encode("  a"), (std::vector<TokenId>{1, 3}));
  EXPECT_EQ(*with("always").decode(std::vector<TokenId>{3, 3}), "a a");
  EXPECT_EQ(*with("never").decode(std::vector<TokenId>{3, 3}), " a a");
}

TEST(TokenizerJson, Unigram) {
  const std::string model =
      R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1],["b",-1],["ab",-1.5]]})";
  const Tokenizer tokenizer = tokenizer_of(characters(model));
  EXPECT_EQ(tokenizer.model(), TokenizerModel::kUnigram);
  EXPECT_EQ(*tokenizer.encode("aab"), (std::vector<TokenId>{1, 3}));
  EXPECT_EQ(*tokenizer.encode("acca"), (std::vector<TokenId>{1, 0, 1}));
  const auto broken = [&](const std::string& vocabulary) {
    return error(characters(R"({"type":"Unigram","vocab":)" + vocabulary + "}"));
  };
  EXPECT_THAT(broken("{}"), HasSubstr("model.vocab: expected an array of tokens and scores"));
  EXPECT_THAT(broken("[]"), HasSubstr("model.vocab: expected at least one token"));
  EXPECT_THAT(broken(R"([["<unk>",0],["a"]])"),
              HasSubstr("model.vocab: element 1: expected [\"token\", score]"));
  EXPECT_THAT(broken(R"([["<unk>",0],["a",-1]],"unk_id":2)"),
              HasSubstr("model.unk_id: 2; expected below 2"));
}

}  // namespace
}  // namespace rotor
