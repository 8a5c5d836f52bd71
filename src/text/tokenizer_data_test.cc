// SPDX-License-Identifier: Apache-2.0
// The tokenizer against published vocabularies and ids made by other implementations. The files are
// not part of the project: ROTOR_TEST_DATA names the folder, and without it these tests skip.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "text/bpe_alphabet.h"
#include "text/bpe_merge_table.h"
#include "text/gguf_vocabulary.h"
#include "text/sentencepiece_model.h"
#include "text/sentencepiece_writer.h"
#include "text/tiktoken.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace rotor {
namespace {

constexpr uint64_t kFileLimit = uint64_t{64} << 20;

std::string data_folder() {
  if (const char* folder = std::getenv("ROTOR_TEST_DATA")) {
    return folder;
  }
  const char* source = std::getenv("ROTOR_SOURCE_DIR");
  return std::string(source ? source : ".") + "/../shared/data";
}

std::string data_file(const std::string& name) { return data_folder() + "/tokenizer/" + name; }

std::string read(const std::string& name) {
  Result<std::string> text = read_text_file(data_file(name), kFileLimit);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *std::move(text) : std::string();
}

std::string read_xz(const std::string& name) {
  std::string text;
  const std::string command = "xz -dc '" + data_file(name) + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 65536> buffer;
  while (const size_t size = fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    text.append(buffer.data(), size);
  }
  return text;
}

class TokenizerData : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(data_file("llama3-tokenizer.model"))) {
      GTEST_SKIP() << "no test data at " << data_folder() << "; set ROTOR_TEST_DATA";
    }
  }
};

TokenizerSpec llama3_ranks() {
  Result<TokenizerSpec> spec = parse_tiktoken(read("llama3-tokenizer.model"), "tokenizer.model");
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  return *std::move(spec);
}

// The same vocabulary in the form a GGUF file has: byte alphabet, merges as text, types.
GgufVocabulary llama3_arrays() {
  const TokenizerSpec spec = llama3_ranks();
  GgufVocabulary v;
  v.name = "made.gguf";
  v.model = "gpt2";
  v.bos = 128000;
  v.eos = 128001;
  v.add_bos = true;
  const TokenTable table(spec.tokens, [&](TokenId id) { return id < 128000; });
  const auto merges = merges_from_ranks(table, "ranks");
  EXPECT_TRUE(merges.ok()) << merges.status().message();
  for (const auto [left, right] : *merges) {
    v.merges.push_back(alphabet_from_bytes(table.bytes(left)) + " " +
                       alphabet_from_bytes(table.bytes(right)));
  }
  for (size_t i = 0; i < spec.tokens.size(); ++i) {
    v.tokens.push_back(i < 128000 ? alphabet_from_bytes(spec.tokens[i]) : spec.tokens[i]);
    v.types.push_back(i < 128000 ? 1 : 3);
  }
  return v;
}

Tokenizer make(Result<TokenizerSpec> spec) {
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  Result<Tokenizer> tokenizer = Tokenizer::create(*std::move(spec));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *std::move(tokenizer);
}

Tokenizer gpt2_from_files() {
  GgufVocabulary v;
  v.name = "gpt2";
  v.model = "gpt2";
  v.pre = "gpt-2";
  const auto document = JsonDocument::parse(read("gpt2/gpt2_vocab.json"), "gpt2_vocab.json");
  EXPECT_TRUE(document.ok()) << document.status().message();
  for (const auto& [token, id] : JsonObject(document->root())) {
    v.tokens.resize(std::max<size_t>(v.tokens.size(), int64_t{id} + 1));
    v.tokens[static_cast<size_t>(int64_t{id})] = token;
  }
  v.types.assign(v.tokens.size(), 1);
  v.types.back() = 3;  // <|endoftext|>
  std::istringstream merges(read("gpt2/gpt2_merges.txt"));
  for (std::string line; std::getline(merges, line);) {
    if (!line.empty() && !line.starts_with("#version")) {
      v.merges.push_back(line);
    }
  }
  return make(tokenizer_from_gguf(v));
}

const EncodeOptions kNoBos{.add_bos = false, .add_eos = false};

void expect_golden(const Tokenizer& tokenizer) {
  std::istringstream lines(read_xz("llama3-golden/dev.jsonl.xz"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto document = JsonDocument::parse(line, "dev.jsonl");
    ASSERT_TRUE(document.ok()) << document.status().message();
    const std::string_view text = document->root()["text"];
    std::vector<TokenId> expected;
    for (const JsonValue id : JsonArray(document->root()["ids"])) {
      expected.push_back(static_cast<TokenId>(int64_t{id}));
    }
    const auto ids = tokenizer.encode(text, kNoBos);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    ASSERT_EQ(*ids, expected) << "line " << count + 1 << ": " << line.substr(0, 300);
    const auto decoded = tokenizer.decode(*ids);
    ASSERT_TRUE(decoded.ok()) << decoded.status().message();
    ASSERT_EQ(*decoded, text) << "line " << count + 1;
  }
  EXPECT_EQ(count, 4210);
}

// `.inp`: texts between marker lines; `.out`: a line of ids for each.
void expect_input_output(const Tokenizer& tokenizer, const std::string& name) {
  const std::string input = read("llama-cpp-vocabs/ggml-vocab-" + name + ".gguf.inp");
  std::istringstream output(read("llama-cpp-vocabs/ggml-vocab-" + name + ".gguf.out"));
  const std::string marker = "\n__ggml_vocab_test__\n";
  int count = 0;
  std::string line;
  for (size_t at = 0; at < input.size(); ++count) {
    const size_t end = std::min(input.find(marker, at), input.size());
    ASSERT_TRUE(std::getline(output, line)) << "text " << count;
    std::istringstream numbers(line);
    std::vector<TokenId> expected;
    for (TokenId id; numbers >> id;) {
      expected.push_back(id);
    }
    const auto ids = tokenizer.encode(input.substr(at, end - at), kNoBos);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    EXPECT_EQ(*ids, expected) << name << " text " << count;
    at = end + marker.size();
  }
  EXPECT_GT(count, 40);
}

TEST_F(TokenizerData, Llama3FromRanks) { expect_golden(make(llama3_ranks())); }

TEST_F(TokenizerData, Llama3FromMerges) {
  const GgufVocabulary v = llama3_arrays();
  EXPECT_EQ(v.merges.size(), 280147u);
  const Tokenizer tokenizer = make(tokenizer_from_gguf(v));
  // The two defects of the published file, repaired and reported.
  EXPECT_EQ(tokenizer.notes().size(), 2u);
  EXPECT_EQ(tokenizer.eot(), 128009);
  EXPECT_EQ(tokenizer.end_of_generation(), (std::vector<TokenId>{128001, 128009}));
  expect_golden(tokenizer);
}

TEST_F(TokenizerData, Llama3SpecialTokens) {
  const Tokenizer tokenizer = make(llama3_ranks());
  EXPECT_EQ(tokenizer.size(), 128256u);
  EXPECT_EQ(tokenizer.find_token("<|begin_of_text|>"), 128000);
  EXPECT_EQ(tokenizer.find_token("<|reserved_special_token_3|>"), 128005);
  EXPECT_EQ(tokenizer.find_token("<|reserved_special_token_4|>"), 128008);
  EXPECT_EQ(tokenizer.find_token("<|reserved_special_token_5|>"), 128010);
  EXPECT_EQ(tokenizer.find_token("<|reserved_special_token_250|>"), 128255);
}

TEST_F(TokenizerData, LlamaBpeInputOutput) {
  expect_input_output(make(llama3_ranks()), "llama-bpe");
}

// The model of Llama 2, and the same written again.
TEST_F(TokenizerData, LlamaSpmInputOutput) {
  const std::string file = read("../weights/llama2c-tokenizer/tokenizer.model");
  expect_input_output(make(parse_sentencepiece(file, "tokenizer.model")), "llama-spm");
  const auto written = write_sentencepiece(*parse_sentencepiece(file, "tokenizer.model"));
  ASSERT_TRUE(written.ok()) << written.status().message();
  expect_input_output(make(parse_sentencepiece(*written, "written")), "llama-spm");
}

TEST_F(TokenizerData, Gpt2InputOutput) { expect_input_output(gpt2_from_files(), "gpt-2"); }

}  // namespace
}  // namespace rotor
