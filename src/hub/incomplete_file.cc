// SPDX-License-Identifier: Apache-2.0
#include "hub/incomplete_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace rotor {
namespace {

Status failed(const std::string& path, const char* action, int error) {
  std::string message = path + ": " + action + ": " + std::generic_category().message(error);
  if (error == EROFS || error == EACCES || error == EPERM) {
    message += "; HF_HUB_CACHE chooses another folder";
  }
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    message += "; what was received is kept, the same command goes on with it";
  }
  return io_error(message);
}

}  // namespace

IncompleteFile::IncompleteFile(IncompleteFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      path_(std::move(other.path_)) {}

IncompleteFile::~IncompleteFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

Result<IncompleteFile> IncompleteFile::open(const std::string& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0666);
  if (descriptor < 0) {
    return failed(path, "cannot create", errno);
  }
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return io_error(path + ": is not a regular file");
  }
  return IncompleteFile(descriptor, static_cast<uint64_t>(status.st_size), path);
}

Status IncompleteFile::restart() {
  if (::ftruncate(descriptor_, 0) != 0) {
    return failed(path_, "cannot empty", errno);
  }
  size_ = 0;
  return {};
}

Status IncompleteFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return failed(path_, "cannot write", count < 0 ? errno : ENOSPC);
    }
    bytes = bytes.subspan(static_cast<size_t>(count));
    size_ += static_cast<uint64_t>(count);
  }
  return {};
}

Status IncompleteFile::finish(const std::string& final_path) {
  if (::fsync(descriptor_) != 0) {
    return failed(path_, "cannot write", errno);
  }
  if (::rename(path_.c_str(), final_path.c_str()) != 0) {
    return failed(final_path, "cannot create", errno);
  }
  return {};
}

void IncompleteFile::discard() { ::unlink(path_.c_str()); }

}  // namespace rotor
