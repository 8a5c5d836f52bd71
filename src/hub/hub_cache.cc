// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "base/file.h"
#include "hub/hub_name.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "models--";
constexpr uint64_t kMaxRef = 256;  // bytes of a file that holds a commit

Status system_error(const std::string& path, std::string_view action, int error) {
  std::string message = path + ": " + std::string(action) + ": " +
                        std::generic_category().message(error);
  if (error == EROFS || error == EACCES || error == EPERM) {
    message += "; HF_HUB_CACHE chooses another folder";
  }
  return io_error(message);
}

// "org/name" as the name of a folder.
std::string flat(const std::string& repo) {
  const size_t slash = repo.find('/');
  return std::string(kPrefix) + repo.substr(0, slash) + "--" + repo.substr(slash + 1);
}

// The names in a folder that `accepted` takes, sorted; none when it cannot be read.
template <typename Accepted>
std::vector<std::string> entries(const std::string& folder, const Accepted& accepted) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (accepted(name)) {
      out.push_back(name);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Paths below a folder for which `accepted` holds, sorted. Links to folders are not followed.
template <typename Accepted>
std::vector<std::string> paths_below(const std::string& folder, const Accepted& accepted) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code broken_link;
    if (entry->is_regular_file(broken_link) && accepted(entry->path().string())) {
      out.push_back(entry->path().string().substr(folder.size() + 1));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<std::string> read_commit(const std::string& path) {
  Result<std::string> text = read_text_file(path, kMaxRef);
  if (!text.ok()) {
    return std::nullopt;
  }
  while (text->ends_with('\n')) {
    text->pop_back();
  }
  return is_hub_commit(*text) ? std::optional(*text) : std::nullopt;
}

Status copy_file(const std::string& from, const std::string& to) {
  ROTOR_ASSIGN(const File source, File::open(from));
  ROTOR_ASSIGN(AtomicFile copy, AtomicFile::create(to));
  std::vector<std::byte> chunk;
  for (uint64_t offset = 0; offset < source.size(); offset += chunk.size()) {
    chunk.resize(std::min<uint64_t>(size_t{1} << 20, source.size() - offset));
    ROTOR_TRY(source.read(offset, chunk));
    ROTOR_TRY(copy.write(chunk));
  }
  return copy.commit();
}

// Whether the lock file still stands under its name: its last holder may have removed it.
bool is_in_place(int descriptor, const std::string& path) {
  struct stat held;
  struct stat named;
  return ::fstat(descriptor, &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace

std::string HubCache::repo_folder(const std::string& repo) const { return root_ + "/" + flat(repo); }

std::string HubCache::lock_folder(const std::string& repo) const {
  return root_ + "/.locks/" + flat(repo);
}

std::string HubCache::snapshot_folder(const std::string& repo, const std::string& commit) const {
  return repo_folder(repo) + "/snapshots/" + commit;
}

std::string HubCache::blob(const std::string& repo, const std::string& etag) const {
  return repo_folder(repo) + "/blobs/" + etag;
}

std::vector<std::string> HubCache::repos() const {
  std::vector<std::string> out;
  for (const std::string& folder :
       entries(root_, [](const std::string& name) { return name.starts_with(kPrefix); })) {
    const std::string flat_name = folder.substr(kPrefix.size());
    const size_t dashes = flat_name.find("--");
    if (dashes == flat_name.npos) {
      continue;  // a repository without an owner, of the hub's first days
    }
    const std::string repo = flat_name.substr(0, dashes) + "/" + flat_name.substr(dashes + 2);
    if (is_hub_repo(repo)) {
      out.push_back(repo);
    }
  }
  return out;
}

std::vector<std::string> HubCache::commits(const std::string& repo) const {
  return entries(repo_folder(repo) + "/snapshots", &is_hub_commit);
}

std::vector<std::string> HubCache::refs(const std::string& repo, const std::string& commit) const {
  return paths_below(repo_folder(repo) + "/refs",
                     [&](const std::string& path) { return read_commit(path) == commit; });
}

std::vector<std::string> HubCache::files(const std::string& repo, const std::string& commit) const {
  return paths_below(snapshot_folder(repo, commit), [](const std::string&) { return true; });
}

std::optional<std::string> HubCache::find_commit(const std::string& repo,
                                                 const std::string& revision) const {
  if (is_hub_commit(revision)) {
    std::error_code error;
    return fs::is_directory(snapshot_folder(repo, revision), error) ? std::optional(revision)
                                                                    : std::nullopt;
  }
  return read_commit(repo_folder(repo) + "/refs/" + revision);
}

Status HubCache::write_ref(const std::string& repo, const std::string& revision,
                           const std::string& commit) const {
  const std::string path = repo_folder(repo) + "/refs/" + revision;
  if (revision == commit || read_commit(path) == commit) {
    return {};
  }
  ROTOR_TRY(make_folders(fs::path(path).parent_path()));
  ROTOR_ASSIGN(AtomicFile file, AtomicFile::create(path));
  ROTOR_TRY(file.write(std::as_bytes(std::span(commit))));
  return file.commit();
}

Status HubCache::show_blob(const std::string& repo, const std::string& commit,
                           const std::string& file, const std::string& etag, bool symlinks,
                           bool fresh) const {
  const std::string path = snapshot_folder(repo, commit) + "/" + file;
  ROTOR_TRY(make_folders(fs::path(path).parent_path()));
  ::unlink(path.c_str());  // a link to a blob that is gone
  std::string up = "../../";
  for (auto depth = std::count(file.begin(), file.end(), '/'); depth > 0; --depth) {
    up += "../";
  }
  const std::string target = blob(repo, etag);
  if (symlinks && ::symlink((up + "blobs/" + etag).c_str(), path.c_str()) == 0) {
    return {};
  }
  const int error = symlinks ? errno : EPERM;
  if (error != EPERM && error != EOPNOTSUPP && error != ENOSYS) {
    return system_error(path, "cannot link", error);
  }
  if (fresh && ::rename(target.c_str(), path.c_str()) == 0) {
    return {};
  }
  return copy_file(target, path);
}

HubLock::HubLock(HubLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

HubLock::~HubLock() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);  // frees the lock; the file stays, as others may wait on it
  }
}

Result<HubLock> HubLock::take(const std::string& path, const CancelFlag* cancel,
                              const std::function<void()>& waiting) {
  ROTOR_TRY(make_folders(fs::path(path).parent_path()));
  for (bool told = false; true;) {
    HubLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0664));
    if (lock.descriptor_ < 0) {
      return system_error(path, "cannot create", errno);
    }
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) == 0) {
      if (is_in_place(lock.descriptor_, path)) {
        return lock;
      }
      continue;
    }
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return HubLock(-1);  // no locks here: the check of the content finds what two writers did
    }
    if (cancel != nullptr && cancel->cancelled()) {
      return Status(Code::kCancelled, "interrupted");
    }
    if (!std::exchange(told, true)) {
      waiting();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

Status make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? system_error(path, "cannot create the folder", error.value()) : Status();
}

}  // namespace rotor
