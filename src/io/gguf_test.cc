// SPDX-License-Identifier: Apache-2.0
// Lookups in a GGUF file by name and type, and the time a header of real size takes.
#include "io/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "io/test_bytes.h"

namespace rotor {
namespace {

using test::GgufBytes;
using testing::ElementsAre;
using testing::HasSubstr;

Result<GgufFile> parse(std::string bytes) {
  return GgufFile::parse(File::from_memory(std::move(bytes), "t.gguf"));
}

TEST(Gguf, ReadsMetadata) {
  const auto file = parse(test::sample_gguf().bytes());
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(**file->string("general.architecture"), "bitnet-b1.58");
  EXPECT_EQ(**file->integer("u32"), 7);
  EXPECT_EQ(**file->integer("i64"), -7);
  EXPECT_EQ(**file->number("f32"), 0.5);
  EXPECT_EQ(**file->number("f64"), 0.25);
  EXPECT_EQ(**file->number("u32"), 7.0);
  EXPECT_EQ(**file->boolean("bool"), true);
  EXPECT_EQ(*file->integer("absent"), std::nullopt);
  EXPECT_EQ(*file->strings("absent"), nullptr);
  const GgufStrings& tokens = **file->strings("tokens");
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[0], "a");
  EXPECT_EQ(tokens[1], "");
  EXPECT_EQ(tokens[2], "ccc");
  EXPECT_THAT(**file->floats("scores"), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(**file->integers("types"), ElementsAre(1, -3));
}

TEST(Gguf, TypedLookupsSayWhatTheyFound) {
  const auto file = parse(test::sample_gguf().bytes());
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(file->integer("general.architecture").status().message(),
              testing::MatchesRegex("t.gguf: value of \"general.architecture\" at offset [0-9]+: "
                                    "expected an integer below 2.63, found string"));
  EXPECT_THAT(file->integer("u64").status().message(), HasSubstr("found u64"));
  EXPECT_FALSE(file->integer("f32").ok());
  EXPECT_FALSE(file->integer("bool").ok());
  EXPECT_FALSE(file->boolean("u32").ok());
  EXPECT_FALSE(file->string("tokens").ok());
  EXPECT_THAT(file->strings("types").status().message(), HasSubstr("found an array of 2 i32"));
  EXPECT_FALSE(file->floats("types").ok());
  EXPECT_FALSE(file->integers("scores").ok());
  EXPECT_FALSE(file->integers("huge").ok());
  EXPECT_FALSE(file->integers("u32").ok());
}

TEST(Gguf, PlacesTensors) {
  const std::string bytes = test::sample_gguf().bytes();
  const auto file = parse(bytes);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(file->tensors().size(), 3u);
  const GgufTensor* second = file->find_tensor("second");
  ASSERT_NE(second, nullptr);
  EXPECT_THAT(second->dims, ElementsAre(128, 2, 1, 1));
  EXPECT_EQ(second->elements, 256u);
  EXPECT_EQ(second->span, 96u);
  EXPECT_EQ(second->offset % 32, 0u);
  EXPECT_EQ(file->find_tensor("third")->span, 4u);
  EXPECT_EQ(file->find_tensor("fourth"), nullptr);
  std::string text(4, '\0');
  ASSERT_TRUE(
      file->read(*file->find_tensor("third"), 0, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "wxyz");
  EXPECT_FALSE(file->read(*second, 93, std::as_writable_bytes(std::span(text))).ok());
}

// The shape of the vocabulary of BitNet b1.58 2B-4T. The limit is wide: a shared machine, and
// sanitizers; what it must catch is time that grows faster than the file.
TEST(Gguf, RealVocabularySizeIsFast) {
  GgufBytes file;
  std::vector<std::string> tokens(128'256);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = "token" + std::to_string(i);
  }
  file.add_strings("tokenizer.ggml.tokens", tokens);
  file.add_strings("tokenizer.ggml.merges", std::vector<std::string>(280'147, "some thing"));
  file.add_array<int32_t>("tokenizer.ggml.token_type", 5, std::vector<int32_t>(128'256, 1));
  const std::string bytes = file.bytes();
  const auto start = std::chrono::steady_clock::now();
  const auto parsed = parse(bytes);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((**parsed->strings("tokenizer.ggml.tokens"))[128'255], "token128255");
  std::cout << "header of " << bytes.size() << " bytes parsed in " << took.count() << " ms\n";
  EXPECT_LT(took.count(), 1000.0);
}

}  // namespace
}  // namespace rotor
