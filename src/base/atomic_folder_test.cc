// SPDX-License-Identifier: Apache-2.0
// A folder appears whole or not at all, and never in the place of files.
#include "base/atomic_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/test_folder.h"

namespace rotor {
namespace {

using testing::HasSubstr;

class AtomicFolderTest : public testing::Test, protected test::TestFolder {
 protected:
  static void put_file(const AtomicFolder& folder) {
    auto file = AtomicFile::create(folder.temporary_path() + "/f");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write(std::as_bytes(std::span("abc", 3))).ok());
    ASSERT_TRUE(file->commit().ok());
  }
};

TEST_F(AtomicFolderTest, AppearsWithCommit) {
  for (const char* name : {"a", "b/"}) {
    auto folder = AtomicFolder::create(path(name));
    ASSERT_TRUE(folder.ok()) << folder.status().message();
    put_file(*folder);
    EXPECT_FALSE(std::filesystem::exists(path(name)));
    AtomicFolder moved = *std::move(folder);
    EXPECT_TRUE(moved.commit().ok());
    EXPECT_EQ(get(std::string(name) + "/f"), "abc");
  }
  EXPECT_EQ(entries(), 2u);
}

TEST_F(AtomicFolderTest, WithoutCommitNothingStays) {
  {
    auto folder = AtomicFolder::create(path("m"));
    ASSERT_TRUE(folder.ok());
    put_file(*folder);
    EXPECT_EQ(entries(), 1u);
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(AtomicFolderTest, TakesAnEmptyFolderButNoOther) {
  std::filesystem::create_directory(path("m"));
  {
    auto folder = AtomicFolder::create(path("m"));
    ASSERT_TRUE(folder.ok()) << folder.status().message();
    put_file(*folder);
    EXPECT_TRUE(folder->commit().ok());
  }
  EXPECT_EQ(get("m/f"), "abc");
  const Status full = AtomicFolder::create(path("m")).status();
  EXPECT_EQ(full.code(), Code::kInvalidArgument);
  EXPECT_THAT(full.message(), HasSubstr("is a folder that holds files"));
  put("file", "x");
  EXPECT_EQ(AtomicFolder::create(path("file")).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(AtomicFolder::create(path("..")).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(AtomicFolder::create(path("missing/m")).status().code(), Code::kIoError);
  EXPECT_EQ(entries(), 2u);
}

TEST_F(AtomicFolderTest, FilesThatCameMeanwhileStay) {
  auto folder = AtomicFolder::create(path("m"));
  ASSERT_TRUE(folder.ok());
  put_file(*folder);
  std::filesystem::create_directory(path("m"));
  put("m/other", "kept");
  const Status status = folder->commit();
  EXPECT_EQ(status.code(), Code::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("was not created"));
  EXPECT_EQ(get("m/other"), "kept");
  EXPECT_EQ(entries(), 1u);
}

// A process that dies leaves its folder; the next writer removes it, but none of one that lives.
TEST_F(AtomicFolderTest, RemovesWhatTheDeadLeft) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto folder = AtomicFolder::create(path("m"));
    put_file(*folder);
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(entries(), 1u);
  std::filesystem::create_directory(path("m.tmp-no-number"));
  auto first = AtomicFolder::create(path("m"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(entries(), 2u);
  auto second = AtomicFolder::create(path("m"));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(entries(), 3u);
}

}  // namespace
}  // namespace rotor
