// SPDX-License-Identifier: Apache-2.0
#include "hub/incomplete_file.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/test_folder.h"
#include "base/test_full_disk.h"

namespace rotor {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(IncompleteFile, GoesOnWhereAnotherStopped) {
  const test::TestFolder folder;
  {
    Result<IncompleteFile> part = IncompleteFile::open(folder.path("x"));
    ASSERT_TRUE(part.ok());
    ASSERT_TRUE(part->append(bytes("one ")).ok());
  }
  Result<IncompleteFile> part = IncompleteFile::open(folder.path("x"));
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->size(), 4u);
  ASSERT_TRUE(part->append(bytes("two")).ok());
  ASSERT_TRUE(part->finish(folder.path("y")).ok());
  EXPECT_EQ(folder.get("y"), "one two");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(IncompleteFile, RestartAndDiscard) {
  const test::TestFolder folder;
  folder.put("x", "old");
  Result<IncompleteFile> part = IncompleteFile::open(folder.path("x"));
  ASSERT_TRUE(part->restart().ok());
  ASSERT_TRUE(part->append(bytes("n")).ok());
  EXPECT_EQ(folder.get("x"), "n");
  part->discard();
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(IncompleteFile, AFullDiskKeepsWhatCame) {
  const test::TestFolder folder;
  Result<IncompleteFile> part = IncompleteFile::open(folder.path("x"));
  {
    const test::FullDisk full(5);
    const Status status = part->append(bytes("123456789"));
    EXPECT_EQ(status.code(), Code::kIoError);
    EXPECT_NE(status.message().find("is kept"), std::string::npos) << status.message();
  }
  EXPECT_EQ(folder.get("x"), "12345");
  EXPECT_EQ(part->size(), 5u);
}

TEST(IncompleteFile, NeverWritesThroughALink) {
  const test::TestFolder folder;
  folder.put("target", "precious");
  std::filesystem::create_symlink(folder.path("target"), folder.path("x"));
  EXPECT_EQ(IncompleteFile::open(folder.path("x")).status().code(), Code::kIoError);
  EXPECT_EQ(IncompleteFile::open(folder.path()).status().code(), Code::kIoError);
  EXPECT_EQ(folder.get("target"), "precious");
}

}  // namespace
}  // namespace rotor
