// SPDX-License-Identifier: Apache-2.0
#include "base/atomic_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/temporary_lock.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxNames = 1000;

std::string reason(int error) { return std::generic_category().message(error); }

// An open folder; negative when there is none.
int open_folder(const std::string& path) {
  return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

Status sync_folder(const std::string& path) {
  const int descriptor = open_folder(path);
  const int error = descriptor >= 0 && ::fsync(descriptor) == 0 ? 0 : errno;
  if (descriptor >= 0) {
    ::close(descriptor);
  }
  // File systems that cannot sync a folder say EINVAL.
  return error == 0 || error == EINVAL ? Status()
                                       : io_error(path + ": cannot sync: " + reason(error));
}

// Removes temporary folders of this prefix whose writer is dead, that is: whose lock is free.
void remove_abandoned(const fs::path& parent, const std::string& prefix) {
  std::error_code error;
  for (fs::directory_iterator entry(parent, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) ||
        name.find_first_not_of("0123456789-", prefix.size()) != std::string::npos) {
      continue;
    }
    const int descriptor = open_folder(entry->path().string());
    if (descriptor < 0) {
      continue;
    }
    std::error_code ignored;  // what stays is in nobody's way
    if (take_abandoned(descriptor)) {
      fs::remove_all(entry->path(), ignored);
    }
    ::close(descriptor);
  }
}

Status check_free(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (!fs::exists(status)) {
    return {};
  }
  if (!fs::is_directory(status)) {
    return invalid_argument(path + ": exists and is no folder; choose another name");
  }
  return fs::is_empty(path, error) && !error
             ? Status()
             : invalid_argument(path + ": is a folder that holds files; a folder is written only where "
                                "there is none, or an empty one");
}

}  // namespace

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept { *this = std::move(other); }

AtomicFolder& AtomicFolder::operator=(AtomicFolder&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  return *this;
}

AtomicFolder::~AtomicFolder() { discard(); }

void AtomicFolder::discard() {
  if (descriptor_ < 0) {
    return;
  }
  std::error_code ignored;
  fs::remove_all(temporary_path_, ignored);  // before close() frees the lock
  ::close(descriptor_);
  descriptor_ = -1;
}

Result<AtomicFolder> AtomicFolder::create(const std::string& path) {
  AtomicFolder folder;
  folder.path_ = path;
  while (folder.path_.size() > 1 && folder.path_.ends_with('/')) {
    folder.path_.pop_back();
  }
  ROTOR_TRY(check_free(folder.path_));
  const fs::path target(folder.path_);
  const std::string name = target.filename().string();
  if (name.empty() || name == "." || name == "..") {
    return invalid_argument(path + ": cannot write: the path names no new folder");
  }
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  remove_abandoned(parent, name + ".tmp-");
  for (int n = 0; n < kMaxNames; ++n) {
    folder.temporary_path_ =
        folder.path_ + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(n);
    if (::mkdir(folder.temporary_path_.c_str(), 0777) != 0) {
      if (errno == EEXIST) {
        continue;
      }
      return io_error(path + ": cannot create: " + reason(errno));
    }
    const int descriptor = open_folder(folder.temporary_path_);
    if (descriptor >= 0 && claim_temporary(descriptor)) {
      folder.descriptor_ = descriptor;
      return folder;
    }
    if (descriptor >= 0) {
      ::close(descriptor);
    }
  }
  return io_error(path + ": cannot create a temporary folder beside it: " +
                  std::to_string(kMaxNames) + " of them are in use");
}

Status AtomicFolder::commit() {
  ROTOR_TRY(sync_folder(temporary_path_));
  if (std::rename(temporary_path_.c_str(), path_.c_str()) != 0) {  // an empty folder gives way
    const int error = errno;
    discard();
    return io_error(path_ + ": cannot finish writing: " + reason(error) +
                    "; the folder was not created");
  }
  ::close(descriptor_);
  descriptor_ = -1;
  const fs::path parent = fs::path(path_).parent_path();
  return sync_folder(parent.empty() ? "." : parent.string());
}

}  // namespace rotor
