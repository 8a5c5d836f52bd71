// SPDX-License-Identifier: Apache-2.0
// POSIX files: reads that survive interruptions and short counts, and writes that become visible
// all at once. Only the temporary files are locked.
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "base/temporary_lock.h"

namespace rotor {
namespace {

// Linux transfers at most 0x7ffff000 bytes a call; smaller requests keep signals responsive.
constexpr size_t kMaxTransfer = size_t{1} << 30;
constexpr int kMaxNames = 1000;

std::string reason(int error) { return std::generic_category().message(error); }

Status system_error(const std::string& path, std::string_view action, int error) {
  const std::string message = path + ": " + std::string(action) + ": " + reason(error);
  return error == ENOENT ? not_found(message) : io_error(message);
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return ".";
  }
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Makes a rename in `folder` durable. File systems that cannot sync a folder say EINVAL.
Status sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return system_error(folder, "cannot open the folder", errno);
  }
  const int error = ::fsync(descriptor) == 0 ? 0 : errno;
  ::close(descriptor);
  return error == 0 || error == EINVAL ? Status() : system_error(folder, "cannot sync", error);
}

// Removes temporary files with this prefix whose writer is dead, that is: whose lock is free.
void remove_abandoned(const std::string& folder, const std::string& prefix) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(folder.c_str()), &::closedir);
  if (listing == nullptr) {
    return;
  }
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix) ||
        name.substr(prefix.size()).find_first_not_of("0123456789-") != std::string_view::npos) {
      continue;
    }
    const int parent = ::dirfd(listing.get());
    const int descriptor =
        ::openat(parent, entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) {
      continue;
    }
    if (take_abandoned(descriptor)) {
      ::unlinkat(parent, entry->d_name, 0);
    }
    ::close(descriptor);
  }
}

// Where writing to `path` should end: a symbolic link leads to its target.
Result<std::string> final_path(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    return path;
  }
  if (!S_ISREG(status.st_mode)) {
    return io_error(path + ": cannot write: it exists and is not a regular file");
  }
  const std::unique_ptr<char, void (*)(void*)> resolved(::realpath(path.c_str(), nullptr),
                                                        &std::free);
  return resolved == nullptr ? path : std::string(resolved.get());
}

}  // namespace

File::File(File&& other) noexcept { *this = std::move(other); }

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  std::swap(content_, other.content_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

Result<File> File::open(const std::string& path) {
  File file;
  file.path_ = path;
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file.descriptor_ < 0) {
    return system_error(path, "cannot open", errno);
  }
  struct stat status;
  if (::fstat(file.descriptor_, &status) != 0) {
    return system_error(path, "cannot examine", errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return format_error(path + ": expected a file, but it is " +
                        (S_ISDIR(status.st_mode) ? "a folder" : "not a regular file"));
  }
  file.size_ = static_cast<uint64_t>(status.st_size);
  return file;
}

File File::from_memory(std::string content, std::string name) {
  File file;
  file.size_ = content.size();
  file.path_ = std::move(name);
  file.content_ = std::move(content);
  return file;
}

Status File::read(uint64_t offset, std::span<std::byte> out) const {
  if (out.size() > size_ || offset > size_ - out.size()) {
    return format_error(path_ + ": needs " + std::to_string(out.size()) + " bytes at offset " +
                        std::to_string(offset) + ", but the file ends at " + std::to_string(size_));
  }
  if (descriptor_ < 0) {
    std::copy_n(content_.data() + offset, out.size(), reinterpret_cast<char*>(out.data()));
    return Status();
  }
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor_, out.data(), std::min(out.size(), kMaxTransfer),
                                  static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return io_error(path_ + ": cannot read at offset " + std::to_string(offset) + ": " +
                      reason(errno));
    }
    if (count == 0) {
      return io_error(path_ + ": was shortened to " + std::to_string(offset) +
                      " bytes while it was read; it had " + std::to_string(size_));
    }
    out = out.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return Status();
}

Result<std::string> read_text_file(const std::string& path, uint64_t limit) {
  ROTOR_ASSIGN(const File file, File::open(path));
  if (file.size() > limit) {
    return format_error(path + ": has " + std::to_string(file.size()) + " bytes; at most " +
                        std::to_string(limit) + " are accepted");
  }
  std::string text(static_cast<size_t>(file.size()), '\0');
  ROTOR_TRY(file.read(0, std::as_writable_bytes(std::span(text))));
  return text;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept { *this = std::move(other); }

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  return *this;
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (descriptor_ < 0) {
    return;
  }
  ::unlink(temporary_path_.c_str());  // before close() frees the lock
  ::close(descriptor_);
  descriptor_ = -1;
}

Result<AtomicFile> AtomicFile::create(const std::string& path) {
  ROTOR_ASSIGN(const std::string target, final_path(path));
  AtomicFile file;
  file.path_ = target;
  const size_t name_start = target.rfind('/') + 1;  // npos + 1 is 0
  if (name_start == target.size()) {
    return invalid_argument(path + ": cannot write: the path names no file");
  }
  remove_abandoned(folder_of(target), target.substr(name_start) + ".tmp-");
  for (int n = 0; n < kMaxNames; ++n) {
    file.temporary_path_ = target + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(n);
    const int descriptor =
        ::open(file.temporary_path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && errno != EEXIST) {
      return io_error(path + ": cannot create: " + reason(errno));
    }
    if (descriptor >= 0 && claim_temporary(descriptor)) {
      file.descriptor_ = descriptor;
      return file;
    }
    if (descriptor >= 0) {
      ::close(descriptor);
    }
  }
  return io_error(path + ": cannot create a temporary file beside it: " +
                  std::to_string(kMaxNames) + " of them are in use");
}

Status AtomicFile::put(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), std::min(bytes.size(), kMaxTransfer),
                                   static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count <= 0) {
      return io_error(path_ + ": cannot write at offset " + std::to_string(offset) + ": " +
                      reason(count < 0 ? errno : EIO) + "; the file was not created or changed");
    }
    bytes = bytes.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return Status();
}

Status AtomicFile::write(std::span<const std::byte> bytes) {
  ROTOR_TRY(put(size_, bytes));
  size_ += bytes.size();
  return Status();
}

Status AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  if (bytes.size() > size_ || offset > size_ - bytes.size()) {
    return internal_error(path_ + ": overwriting " + std::to_string(bytes.size()) +
                          " bytes at offset " + std::to_string(offset) + " leaves the " +
                          std::to_string(size_) + " written");
  }
  return put(offset, bytes);
}

Status AtomicFile::commit() {
  int error = ::fsync(descriptor_) == 0 ? 0 : errno;
  if (error == 0 && ::rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    error = errno;
  }
  if (error != 0) {
    discard();
    return io_error(path_ + ": cannot finish writing: " + reason(error) +
                    "; the file was not created or changed");
  }
  ::close(descriptor_);  // synced: close() has nothing left that could fail
  descriptor_ = -1;
  return sync_folder(folder_of(path_));
}

bool same_file(const std::string& a, const std::string& b) {
  struct stat status_a;
  struct stat status_b;
  return ::stat(a.c_str(), &status_a) == 0 && ::stat(b.c_str(), &status_b) == 0 &&
         status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
}

Status check_output(const std::string& input, const std::string& output) {
  if (same_file(input, output)) {
    return invalid_argument(output + ": the output is the input; choose another name");
  }
  std::error_code error;  // what is no folder has no files
  std::filesystem::directory_iterator entry(input, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (same_file(entry->path().string(), output)) {
      return invalid_argument(output +
                              ": the output is a file of the input folder; choose another name");
    }
  }
  return Status();
}

}  // namespace rotor
