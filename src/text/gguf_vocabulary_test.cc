// SPDX-License-Identifier: Apache-2.0
#include "text/gguf_vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/tokenizer_fixtures.h"

namespace rotor {
namespace {

using testing::HasSubstr;

std::string error(const GgufVocabulary& v, Code code = Code::kFormatError) {
  const auto spec = tokenizer_from_gguf(v);
  EXPECT_EQ(spec.status().code(), code);
  return spec.status().message();
}

TEST(GgufVocabulary, SameIdsAsFromJson) {
  for (const auto& [name, pre] : {std::pair("llama3", "llama-bpe"), std::pair("gpt2", "gpt-2")}) {
    const Tokenizer json = fixture_tokenizer(name);
    const auto spec = tokenizer_from_gguf(gguf_arrays_of(name, pre));
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_TRUE(spec->notes.empty());
    const Tokenizer gguf = make_tokenizer(*spec);
    const std::string text = read_testdata("golden.jsonl").substr(0, 50'000);
    EXPECT_EQ(*gguf.encode(text, without_bos(true)), *json.encode(text, without_bos(true)));
  }
}

TEST(GgufVocabulary, DefaultsOfTheNamedPreTokenizer) {
  EXPECT_TRUE(tokenizer_from_gguf(gguf_arrays_of("llama3", "llama-v3"))->ignore_merges);
  EXPECT_TRUE(tokenizer_from_gguf(gguf_arrays_of("llama3", "llama3"))->add_bos);
  EXPECT_FALSE(tokenizer_from_gguf(gguf_arrays_of("gpt2", "gpt-2"))->add_bos);
  GgufVocabulary v = gguf_arrays_of("llama3", "llama-bpe");
  v.add_bos = false;
  v.add_eos = true;
  EXPECT_FALSE(tokenizer_from_gguf(v)->add_bos);
  EXPECT_TRUE(tokenizer_from_gguf(v)->add_eos);
}

TEST(GgufVocabulary, AMissingPreTokenizerIsNoted) {
  for (const char* pre : {"", "default"}) {
    const auto spec = tokenizer_from_gguf(gguf_arrays_of("gpt2", pre));
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    ASSERT_EQ(spec->notes.size(), 1u);
    EXPECT_THAT(spec->notes[0], HasSubstr("the gpt-2 rule is used"));
    EXPECT_EQ(spec->splits[0].kind, SplitKind::kGpt2);
  }
}

TEST(GgufVocabulary, BitnetFilesWithoutAPreTokenizerSplitAsLlama3) {
  GgufVocabulary v = gguf_arrays_of("llama3", "");
  v.is_bitnet = true;
  const auto spec = tokenizer_from_gguf(v);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  ASSERT_EQ(spec->notes.size(), 1u);
  EXPECT_EQ(spec->notes[0],
            "the pre-tokenizer key tokenizer.ggml.pre is missing: the llama-bpe rule is used "
            "(BitNet's models split as Llama 3 does)");
  EXPECT_EQ(spec->splits[0].kind, SplitKind::kLlama3);
  EXPECT_TRUE(spec->ignore_merges);
  v.pre = "default";
  EXPECT_EQ(tokenizer_from_gguf(v)->splits[0].kind, SplitKind::kGpt2);
}

// What the published BitNet b1.58 2B-4T file lacks. The vocabulary is only as large, not the same.
TEST(GgufVocabulary, TheOfficialFileIsRepaired) {
  GgufVocabulary v;
  v.name = "official";
  v.model = "gpt2";
  for (int i = 0; i < 128'256; ++i) {
    v.tokens.push_back(std::string("t").append(std::to_string(i)));
  }
  v.tokens[0] = "t";
  v.tokens[1] = "0";
  v.tokens[2] = "t0";
  v.merges = {"t 0"};
  v.tokens[128'009] = "<|eot_id|>";
  v.types.assign(v.tokens.size(), 1);
  std::fill(v.types.begin() + 128'000, v.types.end(), 3);
  v.bos = 128'000;
  v.eos = 128'001;
  v.add_bos = true;
  const auto spec = tokenizer_from_gguf(v);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  ASSERT_EQ(spec->notes.size(), 2u);
  EXPECT_EQ(spec->notes[0],
            "the pre-tokenizer key tokenizer.ggml.pre is missing: the llama-bpe rule is used (the "
            "vocabulary is Llama 3's)");
  EXPECT_EQ(spec->notes[1],
            "tokenizer.ggml.eot_token_id is missing: 128009 (<|eot_id|>) ends a turn");
  EXPECT_TRUE(spec->ignore_merges);
  EXPECT_EQ(make_tokenizer(*spec).end_of_generation(), (std::vector<TokenId>{128'001, 128'009}));
}

// "b" is a control token of one byte, "ab" is text, "cd" is a control token of two.
TEST(GgufVocabulary, AddedTokensThatMergesMake) {
  GgufVocabulary v;
  v.name = "added";
  v.model = "gpt2";
  v.tokens = {"a", "b", "c", "d", "ab", "cd", "abc", "cda"};
  v.types = {1, 3, 1, 1, 4, 3, 1, 1};
  v.merges = {"a b", "ab c", "c d", "cd a"};
  const auto spec = tokenizer_from_gguf(v);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->merges.size(), 2u);  // those without "cd"
  const Tokenizer tokenizer = make_tokenizer(*spec);
  EXPECT_EQ(*tokenizer.encode("cdab", without_bos(false)), (std::vector<TokenId>{2, 3, 4}));
  EXPECT_EQ(*tokenizer.encode("cdab", without_bos(true)), (std::vector<TokenId>{5, 4}));
}

TEST(GgufVocabulary, BytesNeedNoMerges) {
  GgufVocabulary v;
  v.model = "gpt2";
  v.tokens = {"a", "b", "<|end|>"};
  v.types = {1, 1, 3};
  EXPECT_TRUE(tokenizer_from_gguf(v).ok());
}

TEST(GgufVocabulary, WithoutTypesTheNamedIdsAreSpecial) {
  GgufVocabulary v = gguf_arrays_of("llama3", "llama-bpe");
  v.types.clear();
  const auto spec = tokenizer_from_gguf(v);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->kinds[static_cast<size_t>(spec->bos)], TokenKind::kControl);
}

TEST(GgufVocabulary, OtherKindsAreRefusedByName) {
  GgufVocabulary v = gguf_arrays_of("llama3", "llama-bpe");
  v.pre = "no-such\n";
  EXPECT_THAT(error(v, Code::kUnsupported),
              HasSubstr("llama3: tokenizer.ggml.pre: unsupported pre-tokenizer \"no-such\\n\"; "
                        "expected one of llama-bpe, "));
  v.model = "bert";
  EXPECT_EQ(error(v, Code::kUnsupported),
            "llama3: tokenizer.ggml.model: unsupported tokenizer model \"bert\"; expected \"gpt2\" or "
            "\"llama\"");
}

TEST(GgufVocabulary, SingleDigitsAreCutOutFirst) {
  GgufVocabulary v = gguf_arrays_of("gpt2", "smollm");
  const auto spec = tokenizer_from_gguf(v);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  ASSERT_EQ(spec->splits.size(), 2u);
  EXPECT_EQ(spec->splits[0].kind, SplitKind::kDigits);
  EXPECT_EQ(spec->splits[1].kind, SplitKind::kGpt2);
}

TEST(GgufVocabulary, ContradictionsAreNamed) {
  const GgufVocabulary good = gguf_arrays_of("llama3", "llama-bpe");
  GgufVocabulary v = good;
  v.types.pop_back();
  EXPECT_EQ(error(v),
            "llama3: tokenizer.ggml.token_type has 564 elements; expected 565, as "
            "tokenizer.ggml.tokens");
  v = good;
  v.types[7] = 9;
  EXPECT_EQ(error(v), "llama3: tokenizer.ggml.token_type[7] is 9; expected 1 to 6");
  v = good;
  v.eos = 565;
  EXPECT_EQ(error(v),
            "llama3: tokenizer.ggml.eos_token_id is 565; expected below 565, the number "
            "of tokens");
  v.eos = -2;
  EXPECT_THAT(error(v), HasSubstr("eos_token_id is -2"));
  v.eos = UINT32_MAX;
  EXPECT_EQ(tokenizer_from_gguf(v)->eos, kNoToken);
  v = good;
  v.merges[3] = "q";
  EXPECT_EQ(error(v), "llama3 (GGUF): merge 3: expected two tokens and a space between; got \"q\"");
  v = good;
  v.merges.clear();
  EXPECT_THAT(error(v), HasSubstr("llama3: tokenizer.ggml.merges is missing or empty"));
  v = GgufVocabulary{};
  v.model = "gpt2";
  EXPECT_EQ(Tokenizer::create(*tokenizer_from_gguf(v)).status().code(), Code::kFormatError);
}

}  // namespace
}  // namespace rotor
