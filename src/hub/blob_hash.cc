// SPDX-License-Identifier: Apache-2.0
// SHA-1 stands here for what git calls a file, not for safety: a small file that was forged to the
// same SHA-1 would have to come from the hub itself, over TLS.
#include "hub/blob_hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "base/file.h"

namespace rotor {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

std::string hexadecimal(const unsigned char* bytes, unsigned count) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

BlobHash blob_hash_of(std::string_view etag) {
  if (etag.find_first_not_of("0123456789abcdef") != etag.npos) {
    return BlobHash::kNone;
  }
  return etag.size() == 64   ? BlobHash::kSha256
         : etag.size() == 40 ? BlobHash::kGitSha1
                             : BlobHash::kNone;
}

Result<std::string> hash_file(const std::string& path, BlobHash hash, const CancelFlag* cancel) {
  ROTOR_ASSIGN(const File file, File::open(path));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free);
  bool valid = context != nullptr &&
               EVP_DigestInit_ex(context.get(),
                                 hash == BlobHash::kSha256 ? EVP_sha256() : EVP_sha1(), nullptr) == 1;
  if (hash == BlobHash::kGitSha1) {
    const std::string head = "blob " + std::to_string(file.size()) + '\0';
    valid = valid && EVP_DigestUpdate(context.get(), head.data(), head.size()) == 1;
  }
  std::vector<std::byte> chunk(std::min<uint64_t>(kChunk, file.size()));
  for (uint64_t offset = 0; valid && offset < file.size(); offset += chunk.size()) {
    if (cancel != nullptr && cancel->cancelled()) {
      return Status(Code::kCancelled, "interrupted");
    }
    chunk.resize(std::min<uint64_t>(chunk.size(), file.size() - offset));
    ROTOR_TRY(file.read(offset, chunk));
    valid = EVP_DigestUpdate(context.get(), chunk.data(), chunk.size()) == 1;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned count = 0;
  if (!valid || EVP_DigestFinal_ex(context.get(), digest.data(), &count) != 1) {
    return internal_error("OpenSSL cannot compute a checksum");
  }
  return hexadecimal(digest.data(), count);
}

}  // namespace rotor
