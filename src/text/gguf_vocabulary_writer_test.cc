// SPDX-License-Identifier: Apache-2.0
// A tokenizer written as GGUF arrays and read back makes the same tokens of any text.
#include "text/gguf_vocabulary_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "text/tiktoken.h"
#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kTexts[] = {
    "", "Hello, world! It's 12345 o'clock.", "  two  spaces\n\n\tand tabs \r\n",
    "\xc3\xa9t\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80", "\xff\xfe not UTF-8 \x80",
    "<|eot_id|> literally <|begin_of_text|>"};

class GgufVocabularyWriter : public testing::TestWithParam<const char*> {};

TEST_P(GgufVocabularyWriter, ReadsBackAsTheSameTokenizer) {
  const TokenizerSpec spec = fixture_spec(GetParam());
  std::vector<std::string> notes;
  const auto written = gguf_from_tokenizer(spec, spec.tokens.size() + 3, notes);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const std::set<std::string> texts(written->tokens.begin(), written->tokens.end());
  EXPECT_EQ(texts.size(), written->tokens.size()) << "two tokens have one text";
  const auto again = tokenizer_from_gguf(*written);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_THAT(again->notes, IsEmpty());
  EXPECT_THAT(again->tokens, SizeIs(spec.tokens.size() + 3));
  EXPECT_EQ(again->add_bos, spec.add_bos);
  EXPECT_EQ(again->bos, spec.bos);
  const Tokenizer before = make_tokenizer(spec);
  const Tokenizer after = make_tokenizer(*again);
  for (const char* text : kTexts) {
    for (const bool special : {false, true}) {
      EncodeOptions options;
      options.parse_special = special;
      EXPECT_EQ(*after.encode(text, options), *before.encode(text, options)) << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, GgufVocabularyWriter, testing::Values("llama3", "gpt2", "qwen2"));

TEST(GgufVocabularyWriter, KeepsWhetherPiecesAreLookedUpFirst) {
  TokenizerSpec spec = fixture_spec("llama3");
  std::vector<std::string> notes;
  for (const bool ignore : {true, false}) {
    spec.ignore_merges = ignore;
    const auto again = tokenizer_from_gguf(*gguf_from_tokenizer(spec, spec.tokens.size(), notes));
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->ignore_merges, ignore);
    EXPECT_EQ(again->splits[0].kind, SplitKind::kLlama3);
  }
}

TEST(GgufVocabularyWriter, TiktokenRanksBecomeMerges) {
  std::vector<std::string> notes;
  const auto spec = parse_tiktoken("YQ== 0\nYg== 1\nYWI= 2\nYmE= 3\nYWJh 4\n", "t");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  const auto written = gguf_from_tokenizer(*spec, spec->tokens.size(), notes);
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_THAT(written->merges, testing::ElementsAre("a b", "b a", "a ba", "ab a"));
}

TEST(GgufVocabularyWriter, TokensBeyondTheRowsAreLeftOut) {
  TokenizerSpec spec = fixture_spec("llama3");
  const size_t rows = spec.tokens.size();
  spec.tokens.push_back("<extra>");
  spec.kinds.push_back(TokenKind::kControl);
  spec.eot = static_cast<TokenId>(rows);
  std::vector<std::string> notes;
  const auto written = gguf_from_tokenizer(spec, rows, notes);
  ASSERT_TRUE(written.ok()) << written.status().message();
  EXPECT_THAT(written->tokens, SizeIs(rows));
  EXPECT_FALSE(written->eot);
  ASSERT_THAT(notes, SizeIs(1));
  EXPECT_THAT(notes[0], HasSubstr("the last 1 added tokens"));
}

TEST(GgufVocabularyWriter, SaysWhatIsLost) {
  TokenizerSpec spec = fixture_spec("qwen2");
  spec.normalizers = {{}};
  spec.strip_left = {1};
  std::vector<std::string> notes;
  EXPECT_TRUE(gguf_from_tokenizer(spec, spec.tokens.size(), notes).ok());
  ASSERT_THAT(notes, SizeIs(2));
  EXPECT_THAT(notes[0], HasSubstr("NFC"));
  EXPECT_THAT(notes[1], HasSubstr("white space"));
}

TEST(GgufVocabularyWriter, RefusesASplitWithoutAName) {
  for (const char* name : {"digits", "foreign"}) {
    std::vector<std::string> notes;
    const Status status = gguf_from_tokenizer(fixture_spec(name), 10'000, notes).status();
    EXPECT_EQ(status.code(), Code::kUnsupported) << name;
    EXPECT_THAT(status.message(), HasSubstr("no name"));
  }
}

}  // namespace
}  // namespace rotor
