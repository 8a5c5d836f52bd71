// SPDX-License-Identifier: Apache-2.0
// identify_container on one example of everything it knows, and on what people try by mistake.
#include "io/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/test_folder.h"
#include "io/test_bytes.h"

namespace rotor {
namespace {

using testing::HasSubstr;

class ContainerTest : public testing::Test, protected test::TestFolder {
 protected:
  std::string identify(const std::string& name, std::string_view content) const {
    const auto container = identify_container(put(name, content));
    return container.ok() ? std::string(container_name(*container)) : container.status().message();
  }
};

TEST_F(ContainerTest, KnowsWhatRotorReads) {
  EXPECT_EQ(identify("m.bin", "GGUF\x03"), "GGUF");
  EXPECT_EQ(identify("m", test::safetensors_bytes("{}", "")), "safetensors");
  EXPECT_EQ(identify("m", test::safetensors_bytes(R"({"__metadata__":{"rotor.version":"1"}})", "")),
            "rotor");
  EXPECT_EQ(identify("t", "{\"version\": \"1.0\"}"), "tokenizer.json");
  EXPECT_EQ(identify("t", "\n { }"), "tokenizer.json");
  EXPECT_EQ(identify("tokenizer.model", "IQ== 0\nIg== 1\n"), "tiktoken vocabulary");
  EXPECT_EQ(identify("tokenizer.model", "\x0A\x05\x0A\x03<s>"), "SentencePiece model");
  EXPECT_THAT(identify("tokenizer.model", "\x0A\x03\x0A\x03<s>"), HasSubstr("Rotor reads"));
}

TEST_F(ContainerTest, BrokenFilesKeepTheFormatOfTheirEnding) {
  EXPECT_EQ(identify("m.gguf", ""), "GGUF");
  EXPECT_THAT(identify("m.safetensors", "abc"), HasSubstr("header length at offset 0"));
  EXPECT_EQ(identify("m.rotor", test::safetensors_bytes("{}", "")), "rotor");
  EXPECT_THAT(identify("m.rotor", "\xff\xff\xff\xff\xff\xff\xff\xff{"), HasSubstr("header length"));
}

TEST_F(ContainerTest, SaysWhatElseItIs) {
  EXPECT_THAT(identify("m.bin", std::string_view("PK\x03\x04")), HasSubstr("PyTorch"));
  EXPECT_THAT(identify("m.bin", "tjgg...."), HasSubstr("before GGUF"));
  EXPECT_THAT(identify("m.bin", "hello world"), HasSubstr("Rotor reads"));
  EXPECT_THAT(identify("m.bin", ""), HasSubstr("Rotor reads"));
  EXPECT_THAT(identify("m.bin", "IQ== 0"), HasSubstr("Rotor reads"));
  EXPECT_EQ(identify_container(path("absent")).status().code(), Code::kNotFound);
}

TEST_F(ContainerTest, Folders) {
  EXPECT_THAT(identify_container(path()).status().message(), HasSubstr("no config.json"));
  put("config.json", "{}");
  EXPECT_EQ(*identify_container(path()), Container::kHuggingFace);
}

}  // namespace
}  // namespace rotor
