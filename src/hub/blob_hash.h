// SPDX-License-Identifier: Apache-2.0
// What the hub names a file's content by: SHA-256 for large files (LFS, Xet), git's SHA-1 of a blob for
// small ones. The names are the entity tags of the files and their names in the cache.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>

#include "base/progress.h"

namespace rotor {

enum class BlobHash : unsigned char { kNone, kGitSha1, kSha256 };

// kGitSha1 for 40 hexadecimal digits, kSha256 for 64, kNone for the tags of other servers.
BlobHash blob_hash_of(std::string_view etag);

// Of a file's content, in lower-case hexadecimal. REQUIRES: hash is not kNone. kCancelled, kIoError.
Result<std::string> hash_file(const std::string& path, BlobHash hash, const CancelFlag* cancel);

}  // namespace rotor
