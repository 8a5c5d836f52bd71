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
  EXPECT_EQ(spec->normalize_nfc, again->normalize_nfc);
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

}  // namespace
}  // namespace rotor
