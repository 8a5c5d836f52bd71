// SPDX-License-Identifier: Apache-2.0
// File and AtomicFile: ranges, what is no file, shortened files, full disks, dead and living
// writers.
#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/test_folder.h"
#include "base/test_full_disk.h"

namespace rotor {
namespace {

using testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class FileTest : public testing::Test, protected test::TestFolder {};

TEST_F(FileTest, ReadsRangesAndRefusesOthers) {
  put("a", "0123456789");
  const File memory = File::from_memory("0123456789", "memory");
  const auto opened = File::open(path("a"));
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  for (const File* file : {&memory, &*opened}) {
    std::array<std::byte, 4> out;
    EXPECT_EQ(file->size(), 10u);
    ASSERT_TRUE(file->read(6, out).ok());
    EXPECT_EQ(std::memcmp(out.data(), "6789", 4), 0);
    EXPECT_EQ(file->read(7, out).code(), Code::kFormatError);
    EXPECT_EQ(file->read(UINT64_MAX - 1, out).code(), Code::kFormatError);
    EXPECT_THAT(file->read(7, out).message(), HasSubstr("needs 4 bytes at offset 7"));
    EXPECT_TRUE(file->read(10, {}).ok());
    EXPECT_FALSE(file->read(11, {}).ok());
  }
}

TEST_F(FileTest, RefusesWhatIsNoFile) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(File::open(path("absent")).status().code(), Code::kNotFound);
  EXPECT_THAT(File::open(path()).status().message(), HasSubstr("it is a folder"));
  EXPECT_EQ(File::open(path("pipe")).status().code(), Code::kFormatError);
  EXPECT_EQ(File::open("/dev/zero").status().code(), Code::kFormatError);
  EXPECT_FALSE(File::open("").ok());
}

TEST_F(FileTest, ShortenedWhileOpen) {
  put("a", "0123456789");
  const auto file = File::open(path("a"));
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(path("a"), 5);
  std::array<std::byte, 10> out;
  EXPECT_THAT(file->read(0, out).message(), HasSubstr("was shortened to 5 bytes"));
}

TEST_F(FileTest, TextLimit) {
  put("a", "0123456789");
  EXPECT_EQ(*read_text_file(path("a"), 10), "0123456789");
  EXPECT_EQ(read_text_file(path("a"), 9).status().code(), Code::kFormatError);
}

TEST_F(FileTest, AppearsOnlyWithCommit) {
  put("a", "old");
  {
    auto file = AtomicFile::create(path("a"));
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_TRUE(file->write(bytes("new content")).ok());
    EXPECT_EQ(get("a"), "old");
    EXPECT_EQ(entries(), 2u);
  }
  EXPECT_EQ(get("a"), "old");
  EXPECT_EQ(entries(), 1u);

  auto file = AtomicFile::create(path("a"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->write(bytes("hello, ")).ok());
  ASSERT_TRUE(file->write(bytes("world")).ok());
  ASSERT_TRUE(file->write_at(0, bytes("H")).ok());
  EXPECT_EQ(file->write_at(11, bytes("xy")).code(), Code::kInternal);
  EXPECT_EQ(file->size(), 12u);
  AtomicFile moved = *std::move(file);
  ASSERT_TRUE(moved.commit().ok());
  EXPECT_EQ(get("a"), "Hello, world");
  EXPECT_EQ(entries(), 1u);
  EXPECT_FALSE(moved.commit().ok());
}

TEST_F(FileTest, RefusesTargetsThatAreNoFiles) {
  EXPECT_EQ(AtomicFile::create("/dev/full").status().code(), Code::kIoError);
  EXPECT_EQ(AtomicFile::create(path()).status().code(), Code::kIoError);
  EXPECT_EQ(AtomicFile::create(path("no/such/folder")).status().code(), Code::kIoError);
  EXPECT_EQ(AtomicFile::create(path("absent/")).status().code(), Code::kInvalidArgument);
}

TEST_F(FileTest, FollowsLinks) {
  put("a", "old");
  std::filesystem::create_symlink("a", path("link"));
  auto file = AtomicFile::create(path("link"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->write(bytes("new")).ok());
  ASSERT_TRUE(file->commit().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(path("link")));
  EXPECT_EQ(get("a"), "new");
  EXPECT_TRUE(same_file(path("a"), path("link")));
  EXPECT_FALSE(same_file(path("a"), path("absent")));
}

TEST_F(FileTest, AnOutputMayNotReplaceTheInput) {
  const auto refused = [&](const char* input, const char* output) {
    return check_output(path(input), path(output)).code() == Code::kInvalidArgument;
  };
  std::filesystem::create_directory(path("folder"));
  put("folder/a", "old");
  put("b", "another");
  std::filesystem::create_symlink("folder/a", path("symbolic"));
  std::filesystem::create_hard_link(path("folder/a"), path("hard"));
  for (const char* output : {"folder/a", "folder/../folder/a", "symbolic", "hard"}) {
    EXPECT_TRUE(refused("folder/a", output)) << output;
    EXPECT_TRUE(refused("folder", output)) << output;
  }
  EXPECT_TRUE(refused("folder", "folder"));
  for (const char* output : {"b", "absent", "folder/absent"}) {
    EXPECT_FALSE(refused("folder/a", output)) << output;
    EXPECT_FALSE(refused("folder", output)) << output;
  }
}

TEST_F(FileTest, FullDisk) {
  put("a", "old");
  Status status;
  {
    const test::FullDisk disk(100);
    auto file = AtomicFile::create(path("a"));
    ASSERT_TRUE(file.ok());
    const std::string text(80, 'x');
    ASSERT_TRUE(file->write(bytes(text)).ok());
    status = file->write(bytes(text));
  }
  EXPECT_EQ(status.code(), Code::kIoError);
  EXPECT_THAT(status.message(), HasSubstr("cannot write at offset 100"));
  EXPECT_EQ(get("a"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, KilledWriterLeavesTheOldFileAndIsCleanedUp) {
  put("a", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = AtomicFile::create(path("a"));
    (void)file->write(bytes("half"));
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(get("a"), "old");
  EXPECT_EQ(entries(), 2u);

  auto first = AtomicFile::create(path("a"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(entries(), 2u);  // the dead one is gone
  auto second = AtomicFile::create(path("a"));
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(entries(), 3u);  // the living one stays
  ASSERT_TRUE(second->write(bytes("second")).ok());
  ASSERT_TRUE(second->commit().ok());
  ASSERT_TRUE(first->write(bytes("first")).ok());
  ASSERT_TRUE(first->commit().ok());
  EXPECT_EQ(get("a"), "first");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FileTest, LeavesUnrelatedNamesAlone) {
  put("a.tmp-notes", "mine");
  put("b.tmp-1-0", "another target");
  auto file = AtomicFile::create(path("a"));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(entries(), 3u);
}

}  // namespace
}  // namespace rotor
