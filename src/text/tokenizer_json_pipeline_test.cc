// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rotor {
namespace {

using testing::HasSubstr;

constexpr const char* kByteLevel =
    R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";

TokenizerSpec read(const std::string& json, Code code = Code::kOk, std::string* message = nullptr,
                   TokenizerModel model = TokenizerModel::kByteBpe) {
  TokenizerSpec spec;
  spec.model = model;
  spec.source = "t";
  spec.tokens = {"a", "<s>", "</s>"};
  spec.kinds = {TokenKind::kNormal, TokenKind::kControl, TokenKind::kControl};
  const auto document = JsonDocument::parse(json, "t");
  EXPECT_TRUE(document.ok()) << document.status().message() << json;
  const Status status = read_json_pipeline(document->root(), spec);
  EXPECT_EQ(status.code(), code) << status.message();
  if (message != nullptr) {
    *message = status.message();
  }
  return spec;
}

std::string error(const std::string& json, Code code = Code::kUnsupported) {
  std::string message;
  read(json, code, &message);
  return message;
}

TokenizerSpec read_characters(const std::string& json) {
  return read(json, Code::kOk, nullptr, TokenizerModel::kCharacterBpe);
}

std::string character_error(const std::string& json, Code code = Code::kUnsupported) {
  std::string message;
  read(json, code, &message, TokenizerModel::kCharacterBpe);
  return message;
}

std::string pre(const std::string& value) { return R"({"pre_tokenizer":)" + value + "}"; }

std::string sequence(const std::string& members) {
  return pre(R"({"type":"Sequence","pretokenizers":[)" + members + "]}");
}

std::string post(const std::string& value) {
  return R"({"pre_tokenizer":)" + std::string(kByteLevel) + R"(,"post_processor":)" + value + "}";
}

TEST(JsonPipeline, ByteLevelAloneIsGpt2UnlessTold) {
  EXPECT_EQ(read(pre(R"({"type":"ByteLevel"})")).splits[0].kind, SplitKind::kGpt2);
  EXPECT_TRUE(read(pre(kByteLevel)).splits.empty());
}

TEST(JsonPipeline, SequencesKeepTheirOrder) {
  const TokenizerSpec spec = read(
      sequence(R"({"type":"Digits","individual_digits":true},)"
               R"({"type":"Split","pattern":{"Regex":"\\d"},"behavior":"Isolated","invert":false},)"
               R"({"type":"Split","pattern":{"String":"a.b"},"behavior":"Isolated"},)"
               R"({"type":"Digits","individual_digits":false},)" +
               std::string(kByteLevel)));
  ASSERT_EQ(spec.splits.size(), 4u);
  EXPECT_EQ(spec.splits[0].kind, SplitKind::kDigits);
  EXPECT_EQ(spec.splits[1].pattern, "\\d");
  EXPECT_EQ(spec.splits[2].pattern, "a\\.b");
  EXPECT_EQ(spec.splits[3].pattern, "\\p{N}+");
}

TEST(JsonPipeline, KnownPatternsMayBeKeptInverted) {
  const std::string pattern =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+)";
  const auto split = [](const std::string& regex) {
    return sequence(R"({"type":"Split","pattern":{"Regex":")" + regex +
                    R"("},"behavior":"Removed","invert":true},)" + kByteLevel);
  };
  EXPECT_EQ(read(split(pattern)).splits[0].kind, SplitKind::kGpt2);
  EXPECT_THAT(error(split("x")), HasSubstr("pre_tokenizer.pretokenizers[0]: unsupported behavior "
                                           "\"Removed\"; expected \"Isolated\""));
}

TEST(JsonPipeline, PreTokenizersThatAreRefused) {
  EXPECT_THAT(
      error(pre(R"({"type":"Whitespace"})")),
      HasSubstr("t: pre_tokenizer: unsupported kind \"Whitespace\"; expected ByteLevel, Split "
                "or Digits"));
  EXPECT_THAT(error(pre(R"({"type":"Metaspace"})")), HasSubstr("\"Metaspace\""));
  EXPECT_THAT(error(pre(R"({"type":"ByteLevel","add_prefix_space":true})")),
              HasSubstr("add_prefix_space is true; expected false"));
  EXPECT_THAT(error(sequence(std::string(kByteLevel) + "," + kByteLevel)),
              HasSubstr("pretokenizers[1]: expected ByteLevel to be the last"));
  EXPECT_THAT(error(sequence(R"({"type":"Sequence","pretokenizers":[]})")),
              HasSubstr("pretokenizers[0]: unsupported kind \"Sequence\""));
  EXPECT_THAT(error(pre("3"), Code::kFormatError), HasSubstr("pre_tokenizer: expected an object"));
  EXPECT_THAT(error(pre("{}"), Code::kFormatError), HasSubstr("expected a \"type\""));
  EXPECT_THAT(error(pre(R"({"type":"Sequence"})"), Code::kFormatError),
              HasSubstr("pre_tokenizer.pretokenizers: expected an array"));
  EXPECT_THAT(error(sequence(R"({"type":"Split"})"), Code::kFormatError),
              HasSubstr("expected a \"pattern\""));
  EXPECT_THAT(error(sequence(R"({"type":"Split","pattern":{}})"), Code::kFormatError),
              HasSubstr("expected \"Regex\" or \"String\""));
}

TEST(JsonPipeline, TemplatesGiveBeginAndEnd) {
  const std::string begin = R"({"SpecialToken":{"id":"<s>","type_id":0}})";
  const std::string text = R"({"Sequence":{"id":"A","type_id":0}})";
  const std::string end = R"({"SpecialToken":{"id":"</s>","type_id":0}})";
  const auto single = [](const std::string& parts) {
    return post(R"({"type":"TemplateProcessing","single":[)" + parts + "]}");
  };
  TokenizerSpec spec = read(single(begin + "," + text));
  EXPECT_TRUE(spec.add_bos);
  EXPECT_FALSE(spec.add_eos);
  EXPECT_EQ(spec.bos, 1);
  EXPECT_EQ(spec.eos, kNoToken);
  spec = read(single(begin + "," + text + "," + end));
  EXPECT_TRUE(spec.add_eos);
  EXPECT_EQ(spec.eos, 2);
  spec = read(single(text));
  EXPECT_FALSE(spec.add_bos);
  spec = read(post(R"({"type":"Sequence","processors":[{"type":"ByteLevel"},)"
                   R"({"type":"TemplateProcessing","single":[)" +
                   begin + "," + text + "]}]}"));
  EXPECT_TRUE(spec.add_bos);
  EXPECT_THAT(error(single(begin + "," + begin + "," + text)),
              HasSubstr("at most one token before"));
  EXPECT_THAT(error(single(text + "," + text)), HasSubstr("expected the text once"));
  EXPECT_THAT(error(single(begin), Code::kFormatError), HasSubstr("expected the text"));
  EXPECT_THAT(error(single("3"), Code::kFormatError), HasSubstr("SpecialToken or Sequence"));
  EXPECT_THAT(error(single(R"({"SpecialToken":{"id":"a"}})"), Code::kFormatError),
              HasSubstr("\"a\" is not an added token"));
  EXPECT_THAT(error(single(R"({"SpecialToken":{}})"), Code::kFormatError),
              HasSubstr("with an \"id\""));
  EXPECT_THAT(error(post(R"({"type":"TemplateProcessing"})"), Code::kFormatError),
              HasSubstr("single: expected an array"));
  EXPECT_THAT(error(post(R"({"type":"BertProcessing"})")), HasSubstr("\"BertProcessing\""));
}

TEST(JsonPipeline, Decoders) {
  const auto with = [](const std::string& value) {
    return R"({"pre_tokenizer":)" + std::string(kByteLevel) + R"(,"decoder":)" + value + "}";
  };
  read(with(R"({"type":"ByteLevel"})"));
  EXPECT_THAT(
      error(with(R"({"type":"Sequence","decoders":[{"type":"Replace"}]})")),
      HasSubstr("t: decoder.decoders[0]: unsupported kind \"Replace\"; expected ByteLevel"));
}

TEST(JsonPipeline, MetaspaceInBothGenerations) {
  using Prefix = Metaspace::Prefix;
  const auto metaspace = [](const std::string& members) {
    return read_characters(pre(R"({"type":"Metaspace","replacement":"_")" + members + "}"));
  };
  EXPECT_EQ(metaspace("").metaspace->mark, "_");
  EXPECT_EQ(metaspace("").metaspace->prefix, Prefix::kAlways);
  EXPECT_EQ(metaspace(R"(,"add_prefix_space":false)").metaspace->prefix, Prefix::kNever);
  EXPECT_EQ(metaspace(R"(,"add_prefix_space":true)").metaspace->prefix, Prefix::kAlways);
  EXPECT_EQ(metaspace(R"(,"prepend_scheme":"first")").metaspace->prefix, Prefix::kFirst);
  EXPECT_EQ(metaspace(R"(,"prepend_scheme":"never")").metaspace->prefix, Prefix::kNever);
  EXPECT_EQ(metaspace("").splits.at(0).kind, SplitKind::kBefore);
  EXPECT_TRUE(metaspace(R"(,"split":false)").splits.empty());
  EXPECT_EQ(read_characters(pre(R"({"type":"Metaspace"})")).metaspace->mark, kSpaceMark);
  EXPECT_FALSE(read_characters("{}").metaspace.has_value());
  EXPECT_THAT(character_error(pre(R"({"type":"Metaspace","prepend_scheme":"last"})")),
              HasSubstr("prepend_scheme: \"last\"; expected \"always\""));
  EXPECT_THAT(character_error(pre(R"({"type":"Metaspace","replacement":""})"), Code::kFormatError),
              HasSubstr("replacement: expected a character"));
  EXPECT_THAT(character_error(sequence(R"({"type":"Digits"},{"type":"Metaspace"})")),
              HasSubstr("expected Metaspace to be the first"));
  EXPECT_THAT(character_error(pre(R"({"type":"WhitespaceSplit"})")),
              HasSubstr("\"WhitespaceSplit\"; expected Metaspace, Split, Digits or ByteLevel"));
}

// Gemma's files split at spaces that its normalizer has replaced.
TEST(JsonPipeline, ASplitAtSpacesThatAreGone) {
  const std::string split =
      pre(R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious"})");
  TokenizerSpec spec;
  spec.source = "t";
  spec.model = TokenizerModel::kCharacterBpe;
  spec.normalizers = {{NormalizerKind::kReplace, " ", std::string(kSpaceMark)}};
  const auto document = JsonDocument::parse(split, "t");
  EXPECT_TRUE(read_json_pipeline(document->root(), spec).ok());
  EXPECT_TRUE(spec.splits.empty());
  EXPECT_THAT(character_error(split), HasSubstr("unsupported behavior \"MergedWithPrevious\""));
}

TEST(JsonPipeline, DecodersOfMarks) {
  const auto with = [](const std::string& value) { return R"({"decoder":)" + value + "}"; };
  const auto sequence_of = [&](const std::string& members) {
    return with(R"({"type":"Sequence","decoders":[)" + members + "]}");
  };
  const std::string replace = R"({"type":"Replace","pattern":{"String":"_"},"content":" "})";
  TokenizerSpec spec = read_characters(sequence_of(replace + R"(,{"type":"ByteFallback"},
      {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0})"));
  EXPECT_EQ(spec.space_mark, "_");
  EXPECT_EQ(spec.first_space, FirstSpace::kDropOne);
  EXPECT_EQ(read_characters(with(replace)).first_space, FirstSpace::kKeep);
  spec = read_characters(with(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"always"})"));
  EXPECT_EQ(spec.space_mark, "_");
  EXPECT_EQ(spec.first_space, FirstSpace::kDropWholeToken);
  spec = read_characters(with(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never"})"));
  EXPECT_EQ(spec.first_space, FirstSpace::kKeep);
  EXPECT_THAT(character_error(with(R"({"type":"WordPiece"})")),
              HasSubstr("\"WordPiece\"; expected Metaspace, Replace"));
  EXPECT_THAT(character_error(with(R"({"type":"Strip","content":" ","start":2,"stop":0})")),
              HasSubstr("expected to strip one \" \""));
  EXPECT_THAT(
      character_error(with(R"({"type":"Replace","pattern":{"String":"_"},"content":"-"})")),
      HasSubstr("expected to replace a String by \" \""));
}

}  // namespace
}  // namespace rotor
