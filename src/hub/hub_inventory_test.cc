// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/test_folder.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

const std::string kOld(40, 'a');
const std::string kNew(40, 'b');
const std::string kRepo = "org/name";

// A cache with two revisions of a folder that share a tokenizer, and a repository of GGUFs.
class HubInventoryTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [commit, weights] : {std::pair(kOld, "w1"), std::pair(kNew, "w2")}) {
      put(kRepo, commit, "config.json", "config");
      put(kRepo, commit, "tokenizer.json", "tokenizer");
      put(kRepo, commit, "model.safetensors", weights);
    }
    ASSERT_TRUE(cache_.write_ref(kRepo, "main", kNew).ok());
    ASSERT_TRUE(cache_.write_ref(kRepo, "v1", kOld).ok());
    put("org/zoo", kOld, "m-Q2_0.gguf", "q2");
    put("org/zoo", kOld, "sub/m-F16.gguf", "f16");
    ASSERT_TRUE(cache_.write_ref("org/zoo", "main", kOld).ok());
  }

  // The tag of a blob is its content here.
  void put(const std::string& repo, const std::string& commit, const std::string& file,
           const std::string& content) {
    fs::create_directories(fs::path(cache_.blob(repo, content)).parent_path());
    folder_.put(cache_.blob(repo, content).substr(folder_.path().size() + 1), content);
    ASSERT_TRUE(cache_.show_blob(repo, commit, file, content, true, true).ok());
  }
  bool has_blob(const std::string& content) const {
    return fs::exists(cache_.blob(kRepo, content));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const CachedModel& model : list_cached_models(cache_)) {
      out.push_back(model.name.text());
    }
    return out;
  }
  HubRemoval remove(const HubName& name) {
    const Result<HubRemoval> removal = plan_removal(cache_, name);
    EXPECT_TRUE(removal.ok()) << removal.status().message();
    EXPECT_TRUE(remove_cached(*removal).ok());
    return *removal;
  }

  test::TestFolder folder_;
  HubCache cache_{folder_.path()};
};

TEST_F(HubInventoryTest, EveryNameFindsItsModelAgain) {
  EXPECT_THAT(names(), ElementsAre("org/name@v1", "org/name", "org/zoo:m-Q2_0.gguf",
                                   "org/zoo:sub/m-F16.gguf"));
  for (const CachedModel& model : list_cached_models(cache_)) {
    const auto found = find_cached_model(cache_, model.name, false);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->path, model.path);
    EXPECT_TRUE(fs::exists(model.path)) << model.path;
  }
  EXPECT_EQ(find_cached_model(cache_, {kRepo, "", ""}, false)->bytes, 6u + 9 + 2);
  EXPECT_THAT(find_cached_model(cache_, {kRepo, "", ""}, false)->refs, ElementsAre("main"));
}

TEST_F(HubInventoryTest, WhatIsNotWholeIsNotFound) {
  EXPECT_FALSE(find_cached_model(cache_, {kRepo, "v2", ""}, true));
  EXPECT_FALSE(find_cached_model(cache_, {"org/other", "", ""}, true));
  fs::remove(cache_.snapshot_folder(kRepo, kNew) + "/tokenizer.json");
  EXPECT_FALSE(find_cached_model(cache_, {kRepo, "", ""}, false));
  EXPECT_TRUE(find_cached_model(cache_, {kRepo, "", ""}, true));
  fs::remove(cache_.blob(kRepo, "w2"));
  EXPECT_FALSE(find_cached_model(cache_, {kRepo, "", ""}, true));
}

TEST_F(HubInventoryTest, OneRevisionLeavesWhatTheOtherShows) {
  const HubRemoval removal = remove({kRepo, "v1", ""});
  EXPECT_EQ(removal.freed_bytes, 2u);
  EXPECT_THAT(removal.snapshots, ElementsAre(kOld));
  EXPECT_FALSE(has_blob("w1"));
  EXPECT_TRUE(has_blob("w2") && has_blob("config") && has_blob("tokenizer"));
  EXPECT_TRUE(find_cached_model(cache_, {kRepo, "", ""}, false));
  EXPECT_EQ(cache_.find_commit(kRepo, "v1"), std::nullopt);
  EXPECT_FALSE(fs::exists(cache_.snapshot_folder(kRepo, kOld)));
}

TEST_F(HubInventoryTest, OneFile) {
  const HubRemoval removal = remove({"org/zoo", "", "F16"});
  EXPECT_EQ(removal.freed_bytes, 3u);
  EXPECT_TRUE(removal.snapshots.empty());
  EXPECT_FALSE(fs::exists(cache_.snapshot_folder("org/zoo", kOld) + "/sub"));
  EXPECT_THAT(names(), ElementsAre("org/name@v1", "org/name", "org/zoo"));
  EXPECT_THAT(remove({"org/zoo", "", "Q2_0"}).snapshots, ElementsAre(kOld));
}

TEST_F(HubInventoryTest, AWholeRepository) {
  folder_.put("models--org--name/blobs/half.incomplete", "12345");
  const HubRemoval removal = remove({kRepo, "", ""});
  EXPECT_TRUE(removal.whole_repo);
  EXPECT_EQ(removal.freed_bytes, 6u + 9 + 2 + 2 + 5 + 2 * 40);
  EXPECT_FALSE(fs::exists(cache_.repo_folder(kRepo)));
  EXPECT_THAT(names(), ElementsAre("org/zoo:m-Q2_0.gguf", "org/zoo:sub/m-F16.gguf"));
  EXPECT_EQ(plan_removal(cache_, {kRepo, "", ""}).status().code(), Code::kNotFound);
  EXPECT_EQ(plan_removal(cache_, {kRepo, "v1", ""}).status().code(), Code::kNotFound);
}

TEST_F(HubInventoryTest, ALinkToElsewhereLosesTheLinkAlone) {
  const std::string precious = folder_.put("precious", "12345");
  fs::create_symlink(precious, cache_.snapshot_folder(kRepo, kOld) + "/evil.gguf");
  const fs::path up = "../../../precious";
  fs::create_symlink(up, cache_.snapshot_folder(kRepo, kOld) + "/up.gguf");
  (void)remove({kRepo, "v1", ""});
  EXPECT_EQ(folder_.get("precious"), "12345");
}

TEST_F(HubInventoryTest, FilesInPlaceOfLinks) {
  ASSERT_TRUE(cache_.show_blob(kRepo, kOld, "model.safetensors", "w1", false, true).ok());
  EXPECT_EQ(remove({kRepo, kOld, ""}).freed_bytes, 2u);
  EXPECT_THAT(names(),
              ElementsAre("org/name", "org/zoo:m-Q2_0.gguf", "org/zoo:sub/m-F16.gguf"));
}

}  // namespace
}  // namespace rotor
