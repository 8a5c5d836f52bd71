// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_model.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/test_folder.h"
#include "hub/hub_cache.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;
const std::string kCommit(40, 'a');

// A working folder of its own, and a cache in it; nobody answers.
class HubModelTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::current_path(folder_.path());
    settings_.cache = folder_.path() + "/cache";
    settings_.endpoint = "http://127.0.0.1:1";
    settings_.offline = true;
  }
  void TearDown() override { fs::current_path(before_); }

  void put(const std::string& file) {
    const HubCache cache(settings_.cache);
    fs::create_directories(fs::path(cache.blob("org/name", file)).parent_path());
    folder_.put(cache.blob("org/name", file).substr(folder_.path().size() + 1), file);
    ASSERT_TRUE(cache.show_blob("org/name", kCommit, file, file, true, true).ok());
    ASSERT_TRUE(cache.write_ref("org/name", "main", kCommit).ok());
  }

  fs::path before_ = fs::current_path();
  test::TestFolder folder_;
  HubSettings settings_;
};

TEST_F(HubModelTest, PathsComeFirst) {
  EXPECT_TRUE(means_hub_model("org/name"));
  EXPECT_TRUE(means_hub_model("hf://org/name"));
  EXPECT_TRUE(means_hub_model("bitnet-2b-4t"));
  EXPECT_FALSE(means_hub_model("synthetic:tiny"));
  EXPECT_FALSE(means_hub_model("no-such-alias"));
  fs::create_directories("org");
  EXPECT_FALSE(means_hub_model("org/name")) << "it would lie in a folder that exists";
  EXPECT_TRUE(means_hub_model("hf://org/name"));
  folder_.put("bitnet-2b-4t", "x");
  EXPECT_FALSE(means_hub_model("bitnet-2b-4t"));
}

TEST_F(HubModelTest, AnAliasIsItsName) {
  const Result<HubName> name = hub_name_of("bitnet-2b-4t", settings_);
  ASSERT_TRUE(name.ok());
  EXPECT_EQ(name->text(), "microsoft/bitnet-b1.58-2B-4T");
  EXPECT_EQ(hub_name_of("org/name@v1:Q2_0", settings_)->text(), "org/name@v1:Q2_0");
  EXPECT_EQ(hub_name_of("a/b/c", settings_).status().code(), Code::kInvalidArgument);
}

TEST_F(HubModelTest, WhatTheCacheHasIsNotAskedFor) {
  put("model.rotor");
  settings_.offline = false;
  const Result<std::string> path = hub_model_path({"org/name", "", ""}, settings_, {});
  ASSERT_TRUE(path.ok()) << path.status().message();
  EXPECT_EQ(*path, HubCache(settings_.cache).snapshot_folder("org/name", kCommit) + "/model.rotor");
}

TEST_F(HubModelTest, OfflineSaysWhatTheCacheHas) {
  const auto message = [&](const char* revision) {
    return hub_model_path({"org/name", revision, ""}, settings_, {}).status();
  };
  EXPECT_EQ(message("").code(), Code::kNetworkError);
  EXPECT_NE(message("").message().find("not in the cache"), std::string::npos);
  put("model.rotor");
  EXPECT_NE(message("v2").message().find(kCommit), std::string::npos) << message("v2").message();
}

}  // namespace
}  // namespace rotor
