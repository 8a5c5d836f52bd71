// SPDX-License-Identifier: Apache-2.0
#include "hub/blob_hash.h"

#include <gtest/gtest.h>

#include "base/test_folder.h"

namespace rotor {
namespace {

TEST(BlobHash, IsToldByTheLengthOfATag) {
  EXPECT_EQ(blob_hash_of(std::string(40, 'a')), BlobHash::kGitSha1);
  EXPECT_EQ(blob_hash_of(std::string(64, '0')), BlobHash::kSha256);
  EXPECT_EQ(blob_hash_of(std::string(64, 'A')), BlobHash::kNone);
  EXPECT_EQ(blob_hash_of(std::string(41, 'a')), BlobHash::kNone);
  EXPECT_EQ(blob_hash_of(""), BlobHash::kNone);
}

// The values are those of `git hash-object` and `sha256sum`.
TEST(BlobHash, KnownFiles) {
  const test::TestFolder folder;
  const std::string file = folder.put("a", "hello\n");
  EXPECT_EQ(*hash_file(file, BlobHash::kGitSha1, nullptr),
            "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(*hash_file(file, BlobHash::kSha256, nullptr),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(*hash_file(folder.put("b", ""), BlobHash::kGitSha1, nullptr),
            "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  // 3 MB of zeros: more than a chunk, and not a multiple of one.
  EXPECT_EQ(*hash_file(folder.put("c", std::string(3'000'000, '\0')), BlobHash::kSha256, nullptr),
            "35bce4eae54ec8e6cc2868baa8d157914d6ae2858811b4cc0c078c94460fa26f");
}

TEST(BlobHash, Cancelled) {
  const test::TestFolder folder;
  CancelFlag flag;
  flag.cancel();
  const auto hash = hash_file(folder.put("a", "hello"), BlobHash::kSha256, &flag);
  EXPECT_EQ(hash.status().code(), Code::kCancelled);
  EXPECT_EQ(hash_file(folder.path("none"), BlobHash::kSha256, nullptr).status().code(),
            Code::kNotFound);
}

}  // namespace
}  // namespace rotor
