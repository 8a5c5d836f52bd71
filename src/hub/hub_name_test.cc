// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_name.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

constexpr std::string_view kMirror = "http://localhost:8080";

HubName parsed(std::string_view text, std::string_view endpoint = kHubEndpoint) {
  const Result<HubName> name = parse_hub_name(text, endpoint);
  EXPECT_TRUE(name.ok()) << text << ": " << name.status().message();
  return name.ok() ? *name : HubName();
}

Code refused(std::string_view text) {
  const Result<HubName> name = parse_hub_name(text);
  EXPECT_FALSE(name.ok()) << text << " is taken for " << (name.ok() ? name->text() : "");
  return name.status().code();
}

TEST(HubName, ShortForms) {
  EXPECT_EQ(parsed("org/name"), (HubName{"org/name", "", ""}));
  EXPECT_EQ(parsed("org/name@v1"), (HubName{"org/name", "v1", ""}));
  EXPECT_EQ(parsed("org/name:Q2_0"), (HubName{"org/name", "", "Q2_0"}));
  EXPECT_EQ(parsed("org/name@refs/pr/7:sub/a@b.gguf"),
            (HubName{"org/name", "refs/pr/7", "sub/a@b.gguf"}));
  EXPECT_EQ(parsed("microsoft/bitnet-b1.58-2B-4T").text(), "microsoft/bitnet-b1.58-2B-4T");
  EXPECT_EQ(parsed("org/name@v1:file.gguf").text(), "org/name@v1:file.gguf");
}

TEST(HubName, Addresses) {
  const HubName plain{"org/name", "", ""};
  EXPECT_EQ(parsed("hf://org/name"), plain);
  EXPECT_EQ(parsed("hf://models/org/name"), plain);
  EXPECT_EQ(parsed("https://huggingface.co/org/name"), plain);
  EXPECT_EQ(parsed("https://huggingface.co/org/name/"), plain);
  EXPECT_EQ(parsed("https://huggingface.co/org/name/tree/main"), plain);
  EXPECT_EQ(parsed("https://huggingface.co/org/name/discussions"), plain);
  EXPECT_EQ(parsed("https://hf.co/org/name.git"), plain);
  EXPECT_EQ(parsed("huggingface.co/org/name?library=x#files"), plain);
  EXPECT_EQ(parsed("http://localhost:8080/org/name", kMirror), plain);
  EXPECT_EQ(parsed("hf://org/name@v1/sub/f.gguf"), (HubName{"org/name", "v1", "sub/f.gguf"}));
  EXPECT_EQ(parsed("hf://org/name@refs/pr/7/f.gguf"), (HubName{"org/name", "refs/pr/7", "f.gguf"}));
  EXPECT_EQ(parsed("hf://org/name@a%2Fb/f.gguf"), (HubName{"org/name", "a/b", "f.gguf"}));
  EXPECT_EQ(parsed("hf://org/name/f.gguf"), (HubName{"org/name", "", "f.gguf"}));
  EXPECT_EQ(parsed("hf.co/org/name:Q2_0"), (HubName{"org/name", "", "Q2_0"}));
  EXPECT_EQ(parsed("https://huggingface.co/org/name/blob/main/a%20b.gguf"),
            (HubName{"org/name", "", "a b.gguf"}));
  EXPECT_EQ(parsed("https://huggingface.co/org/name/resolve/v1/sub/f.gguf?download=true"),
            (HubName{"org/name", "v1", "sub/f.gguf"}));
  EXPECT_EQ(parsed("https://huggingface.co/org/name/tree/refs%2Fpr%2F1"),
            (HubName{"org/name", "refs/pr/1", ""}));
}

TEST(HubName, Refusals) {
  for (const char* text : {"", "name", "a/b/c", "/a/b", "./a", "../b", "-a/b", "a/b-", "a--b/c",
                           "a/b..c", "a /b", "hf://", "hf://org", "https://huggingface.co/",
                           "https://huggingface.co/org", "a/b:../../etc/passwd", "a/b@..", "a/b:/x",
                           "a/b:x//y", "a/b@v\n1", "https://huggingface.co/a/b/blob/main/%2e%2e/x",
                           "https://huggingface.co/a/b/blob/main/%zz", "hf://a/b@%2E%2E/x"}) {
    EXPECT_EQ(refused(text), Code::kInvalidArgument) << text;
  }
  EXPECT_EQ(refused("https://huggingface.co/datasets/a/b"), Code::kUnsupported);
  EXPECT_EQ(refused("hf://datasets/a/b"), Code::kUnsupported);
  EXPECT_EQ(refused("https://example.com/a/b.gguf"), Code::kUnsupported);
  EXPECT_EQ(refused("https://huggingface.co.evil.com/a/b"), Code::kUnsupported);
  EXPECT_EQ(refused("a/b:" + std::string(3000, 'x')), Code::kInvalidArgument);
  EXPECT_EQ(refused("a/b:" + std::string(256, 'x')), Code::kInvalidArgument);
  EXPECT_EQ(refused(std::string(97, 'x') + "/b"), Code::kInvalidArgument);
}

TEST(HubName, WhatIsMeantAsAPath) {
  for (const char* text : {"model.gguf", "models/model.gguf", "a/b/c", "./a/b", "../a", "/a/b",
                           "~/a", "folder/model.safetensors", "a/tokenizer.json", "plain"}) {
    EXPECT_FALSE(is_hub_name(text)) << text;
  }
  for (const char* text : {"org/name", "org/name@v1", "org/name:f.gguf", "hf://x.gguf",
                           "https://huggingface.co/a/b", "hf.co/a/b.gguf", "org/name@v1.gguf"}) {
    EXPECT_TRUE(is_hub_name(text)) << text;
  }
}

TEST(HubName, SafePaths) {
  EXPECT_TRUE(is_safe_hub_path("a/b.c/..d/e f/\xc3\xa9"));
  for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "../a", "a\tb",
                           "a\x7f"}) {
    EXPECT_FALSE(is_safe_hub_path(path)) << path;
  }
  EXPECT_FALSE(is_safe_hub_path(std::string_view("a\0b", 3)));
}

TEST(HubName, Commits) {
  EXPECT_TRUE(is_hub_commit("0123456789abcdef0123456789abcdef01234567"));
  EXPECT_FALSE(is_hub_commit("0123456789abcdef0123456789abcdef0123456"));
  EXPECT_FALSE(is_hub_commit("0123456789ABCDEF0123456789abcdef01234567"));
}

}  // namespace
}  // namespace rotor
