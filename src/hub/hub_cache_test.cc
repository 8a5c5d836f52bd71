// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "base/test_folder.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";
const std::string kFolder = "models--org--na.me_x-1";
const std::string kRepo = "org/na.me_x-1";

class HubCacheTest : public testing::Test {
 protected:
  void put_blob(const std::string& etag, const std::string& content) {
    fs::create_directories(folder_.path(kFolder + "/blobs"));
    folder_.put(kFolder + "/blobs/" + etag, content);
  }

  test::TestFolder folder_;
  HubCache cache_{folder_.path()};
};

TEST_F(HubCacheTest, RefsAndCommits) {
  EXPECT_EQ(cache_.find_commit(kRepo, "main"), std::nullopt);
  ASSERT_TRUE(cache_.write_ref(kRepo, "main", kCommit).ok());
  ASSERT_TRUE(cache_.write_ref(kRepo, "refs/pr/1", kCommit).ok());
  ASSERT_TRUE(cache_.write_ref(kRepo, kCommit, kCommit).ok());
  EXPECT_EQ(folder_.get(kFolder + "/refs/main"), kCommit);  // no line end, as the Python tools write
  EXPECT_EQ(cache_.find_commit(kRepo, "main"), kCommit);
  EXPECT_THAT(cache_.refs(kRepo, kCommit), ElementsAre("main", "refs/pr/1"));
  EXPECT_EQ(cache_.find_commit(kRepo, kCommit), std::nullopt);  // no snapshot yet
  EXPECT_THAT(cache_.repos(), ElementsAre(kRepo));
}

TEST_F(HubCacheTest, ARefThatIsNoCommitIsUnknown) {
  fs::create_directories(folder_.path(kFolder + "/refs"));
  for (const std::string& text : {std::string("../../x"), std::string(), std::string(500, 'a')}) {
    folder_.put(kFolder + "/refs/main", text);
    EXPECT_EQ(cache_.find_commit(kRepo, "main"), std::nullopt);
  }
  folder_.put(kFolder + "/refs/main", kCommit + "\n");
  EXPECT_EQ(cache_.find_commit(kRepo, "main"), kCommit);
}

TEST_F(HubCacheTest, SnapshotsLinkToBlobs) {
  put_blob("abc", "content");
  ASSERT_TRUE(cache_.show_blob(kRepo, kCommit, "a.txt", "abc", true, true).ok());
  ASSERT_TRUE(cache_.show_blob(kRepo, kCommit, "sub/deep/b.txt", "abc", true, false).ok());
  const std::string snapshot = kFolder + "/snapshots/" + kCommit;
  EXPECT_EQ(fs::read_symlink(folder_.path(snapshot + "/a.txt")), "../../blobs/abc");
  EXPECT_EQ(folder_.get(snapshot + "/sub/deep/b.txt"), "content");
  EXPECT_THAT(cache_.files(kRepo, kCommit), ElementsAre("a.txt", "sub/deep/b.txt"));
  EXPECT_EQ(cache_.find_commit(kRepo, kCommit), kCommit);
  EXPECT_THAT(cache_.commits(kRepo), ElementsAre(kCommit));
  fs::remove(folder_.path(kFolder + "/blobs/abc"));
  EXPECT_TRUE(cache_.files(kRepo, kCommit).empty());  // links to nothing
}

TEST_F(HubCacheTest, WithoutLinksFilesAreMovedOrCopied) {
  put_blob("abc", "content");
  ASSERT_TRUE(cache_.show_blob(kRepo, kCommit, "copy", "abc", false, false).ok());
  EXPECT_TRUE(fs::exists(folder_.path(kFolder + "/blobs/abc")));
  ASSERT_TRUE(cache_.show_blob(kRepo, kCommit, "moved", "abc", false, true).ok());
  EXPECT_FALSE(fs::exists(folder_.path(kFolder + "/blobs/abc")));
  for (const char* file : {"/copy", "/moved"}) {
    const std::string path = kFolder + "/snapshots/" + kCommit + file;
    EXPECT_FALSE(fs::is_symlink(folder_.path(path)));
    EXPECT_EQ(folder_.get(path), "content");
  }
}

TEST_F(HubCacheTest, FoldersOfOtherKindsAreNoRepos) {
  for (const char* name : {"datasets--a--b", "models--gpt2", "models--a--..", "models----", "x"}) {
    fs::create_directories(folder_.path(name));
  }
  EXPECT_TRUE(cache_.repos().empty());
  EXPECT_TRUE(HubCache(folder_.path("none")).repos().empty());
}

TEST_F(HubCacheTest, OneHoldsALockAtATime) {
  const std::string path = cache_.lock_folder(kRepo) + "/abc.lock";
  int waits = 0;
  const auto waiting = [&] { ++waits; };
  auto first = std::make_unique<Result<HubLock>>(HubLock::take(path, nullptr, waiting));
  ASSERT_TRUE(first->ok());
  std::thread other([&] {
    const Result<HubLock> second = HubLock::take(path, nullptr, waiting);
    EXPECT_TRUE(second.ok());
  });
  while (waits == 0) {
    std::this_thread::yield();
  }
  first.reset();
  other.join();
  EXPECT_EQ(waits, 1);
}

TEST_F(HubCacheTest, ALockThatWasRemovedIsTakenAgain) {
  const std::string path = folder_.path("x.lock");
  const Result<HubLock> gone = HubLock::take(path, nullptr, [] {});
  fs::remove(path);
  EXPECT_TRUE(HubLock::take(path, nullptr, [] { FAIL() << "waits for a file that is gone"; }).ok());
}

TEST_F(HubCacheTest, WaitingCanBeCancelled) {
  const std::string path = folder_.path("x.lock");
  const Result<HubLock> held = HubLock::take(path, nullptr, [] {});
  CancelFlag flag;
  EXPECT_EQ(HubLock::take(path, &flag, [&] { flag.cancel(); }).status().code(), Code::kCancelled);
}

}  // namespace
}  // namespace rotor
