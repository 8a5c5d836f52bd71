// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_api.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

Result<HubModelInfo> parse(const std::string& siblings, const std::string& sha = kCommit) {
  return parse_model_info(R"({"id": "a/b", "sha": ")" + sha + R"(", "siblings": )" + siblings + "}",
                          "a/b");
}

TEST(HubApi, ARevision) {
  const auto info = parse(R"([{"rfilename": "config.json"}, {"rfilename": "sub/x y.gguf"}])");
  ASSERT_TRUE(info.ok()) << info.status().message();
  EXPECT_EQ(info->commit, kCommit);
  EXPECT_EQ(info->files, (std::vector<std::string>{"config.json", "sub/x y.gguf"}));
  EXPECT_TRUE(parse("[]").ok());
}

TEST(HubApi, WhatIsNotTheHubs) {
  for (const auto& bad :
       {parse("{}"), parse("null"), parse("[1]"), parse("[{}]"), parse(R"([{"rfilename": 3}])"),
        parse("[]", "main"), parse("[]", "../../x"), parse_model_info("", "a"),
        parse_model_info("[]", "a"), parse_model_info("<html>", "a"),
        parse_model_info(R"({"siblings": []})", "a")}) {
    EXPECT_EQ(bad.status().code(), Code::kFormatError);
  }
}

TEST(HubApi, FilesOutsideTheirFolderAreRefused) {
  for (const char* name : {"../x", "/etc/passwd", "a/../../x", "a\\u0000b", "", "a//b", ".."}) {
    const auto info = parse(R"([{"rfilename": ")" + std::string(name) + R"("}])");
    EXPECT_EQ(info.status().code(), Code::kFormatError) << name;
  }
}

}  // namespace
}  // namespace rotor
