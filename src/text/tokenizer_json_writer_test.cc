// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace rotor {
namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The fixture tokenizers, each with another kind of split.
class WriterRoundTrip : public testing::TestWithParam<const char*> {};

TEST_P(WriterRoundTrip, KeepsTokensMergesAndSplits) {
  const char* root = std::getenv("ROTOR_SOURCE_DIR");
  ASSERT_NE(root, nullptr);
  const std::string name = std::string(GetParam()) + ".tokenizer.json";
  const std::string text =
      read_file(std::filesystem::path(root) / "src" / "text" / "testdata" / name);
  ASSERT_FALSE(text.empty());
  const Result<TokenizerSpec> spec = parse_tokenizer_json(text, name);
  ASSERT_TRUE(spec.ok()) << spec.status().message();

  const Result<std::string> written = write_tokenizer_json(*spec);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const Result<TokenizerSpec> again = parse_tokenizer_json(*written, "written");
  ASSERT_TRUE(again.ok()) << again.status().message();

  EXPECT_EQ(spec->tokens, again->tokens);
  EXPECT_EQ(spec->kinds, again->kinds);
  EXPECT_EQ(spec->ignore_merges, again->ignore_merges);
  EXPECT_EQ(spec->normalizers.size(), again->normalizers.size());
  EXPECT_EQ(spec->add_bos, again->add_bos);
  ASSERT_EQ(spec->merges.size(), again->merges.size());
  for (size_t i = 0; i < spec->merges.size(); ++i) {
    EXPECT_EQ(spec->merges[i].left, again->merges[i].left);
    EXPECT_EQ(spec->merges[i].right, again->merges[i].right);
  }
  ASSERT_EQ(spec->splits.size(), again->splits.size());
  for (size_t i = 0; i < spec->splits.size(); ++i) {
    EXPECT_EQ(spec->splits[i].kind, again->splits[i].kind);
    EXPECT_EQ(spec->splits[i].pattern, again->splits[i].pattern);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, WriterRoundTrip,
                         testing::Values("llama3", "gpt2", "qwen2", "digits", "foreign"));

TEST(TokenizerJsonWriter, KeepsAddedTokensThatAreOrdinaryToo) {
  TokenizerSpec spec;
  spec.tokens = {".", "..", "...", "\xe9"};
  spec.kinds = {TokenKind::kNormal, TokenKind::kNormal, TokenKind::kUserDefined,
                TokenKind::kControl};
  spec.merges = {{0, 0}, {1, 0}};
  spec.shared = {{2, "..."}, {3, "\xc3\xa9"}};
  spec.splits = {{SplitKind::kLlama3, {}}};
  const Result<std::string> written = write_tokenizer_json(spec);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const Result<TokenizerSpec> again = parse_tokenizer_json(*written, "written");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->tokens, spec.tokens);
  EXPECT_EQ(again->kinds, spec.kinds);
  EXPECT_EQ(again->merges.size(), 2u);
  ASSERT_EQ(again->shared.size(), 2u);
  EXPECT_EQ(again->shared[1].id, 3);
  EXPECT_EQ(again->shared[1].text, "\xc3\xa9");
}

TEST(TokenizerJsonWriter, TurnsRanksIntoMerges) {
  TokenizerSpec spec;
  spec.tokens = {"a", "b", "c", "ab", "bc", "abc", "<|end|>"};
  spec.kinds.assign(6, TokenKind::kNormal);
  spec.kinds.push_back(TokenKind::kControl);
  spec.ranks_are_ids = true;
  spec.splits = {{SplitKind::kLlama3, {}}};
  const Result<std::string> written = write_tokenizer_json(spec);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const Result<TokenizerSpec> again = parse_tokenizer_json(*written, "written");
  ASSERT_TRUE(again.ok()) << again.status().message();
  // ab; bc; abc as a + bc and as ab + c.
  ASSERT_EQ(again->merges.size(), 4u);
  EXPECT_EQ(again->merges[0].left, 0);
  EXPECT_EQ(again->merges[0].right, 1);
  EXPECT_EQ(again->merges[2].left, 0);
  EXPECT_EQ(again->merges[2].right, 4);
  EXPECT_EQ(again->merges[3].left, 3);
  EXPECT_EQ(again->merges[3].right, 2);
}

TEST(TokenizerJsonWriter, RefusesAddedTokensThatAreNoText) {
  TokenizerSpec spec;
  spec.tokens = {"a", "\xff"};
  spec.kinds = {TokenKind::kNormal, TokenKind::kControl};
  EXPECT_EQ(write_tokenizer_json(spec).status().code(), Code::kUnsupported);
}

// Written and read again: the same ids and texts, and the same when written once more.
void expect_kept(const std::string& json, const std::string& text) {
  const Result<TokenizerSpec> spec = parse_tokenizer_json(json, "first");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  const Result<std::string> written = write_tokenizer_json(*spec);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const Result<TokenizerSpec> again = parse_tokenizer_json(*written, "written");
  ASSERT_TRUE(again.ok()) << again.status().message() << *written;
  EXPECT_EQ(again->tokens, spec->tokens);
  EXPECT_EQ(again->kinds, spec->kinds);
  EXPECT_EQ(again->scores, spec->scores);
  EXPECT_EQ(*write_tokenizer_json(*again), *written);
  const Result<Tokenizer> one = Tokenizer::create(*spec);
  const Result<Tokenizer> two = Tokenizer::create(*again);
  ASSERT_TRUE(one.ok() && two.ok()) << two.status().message();
  const auto ids = one->encode(text);
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(*two->encode(text), *ids);
  EXPECT_EQ(*two->decode(*ids), *one->decode(*ids));
}

constexpr const char* kAdded =
    R"("added_tokens":[{"id":0,"content":"<unk>","special":true},
       {"id":5,"content":"W","single_word":true,"normalized":true,"lstrip":true}],)";

TEST(TokenizerJsonWriter, KeepsBpeOfCharacters) {
  const std::string model =
      R"("model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,
         "vocab":{"<unk>":0,"<0x41>":1,"\u2581":2,"a":3,"\u2581a":4},"merges":["\u2581 a"]},)";
  const std::string decoder = R"("decoder":{"type":"Sequence","decoders":[
      {"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},
      {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})";
  const std::string legacy = R"("normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},
      {"type":"Prepend","prepend":"\u2581"},{"type":"Lowercase"},{"type":"StripAccents"},
      {"type":"Strip","strip_left":false,"strip_right":true},{"type":"NFC"},{"type":"NFD"},
      {"type":"NFKD"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "},
      {"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},)";
  expect_kept("{" + std::string(kAdded) + model + legacy + decoder + "}", "a W  aA\u4e00\u00e9 wa");
  for (const char* scheme : {"first", "always", "never"}) {
    const std::string metaspace =
        R"("pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":")" +
        std::string(scheme) + R"(","split":)" + (scheme[0] == 'f' ? "false" : "true") + "},";
    expect_kept("{" + std::string(kAdded) + model + metaspace + decoder + "}", "a Wa  W aA");
    expect_kept("{" + std::string(kAdded) + model + metaspace +
                    R"("decoder":{"type":"Metaspace","replacement":"\u2581"}})",
                "a Wa  W aA");
  }
}

TEST(TokenizerJsonWriter, KeepsUnigram) {
  expect_kept("{" + std::string(kAdded) +
                  R"("model":{"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["<unk>",0],
                     ["<0x41>",0],["\u2581",-2.25],["a",-1.1],["\u2581a",-1e-3]]}})",
              "aAa W b");
}

TEST(TokenizerJsonWriter, RefusesWhatTheFormatCannotHold) {
  TokenizerSpec spec;
  spec.model = TokenizerModel::kCharacterBpe;
  spec.tokens = {"a"};
  spec.kinds = {TokenKind::kNormal};
  spec.scores = {0};
  EXPECT_EQ(write_tokenizer_json(spec).status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace rotor
