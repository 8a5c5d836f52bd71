// SPDX-License-Identifier: Apache-2.0
// The cache on disk that the tools of Hugging Face share:
//   <root>/models--org--name/refs/<revision>           text: the commit
//                            blobs/<etag>              the content of a file, once
//                            snapshots/<commit>/<file> -> ../../blobs/<etag>
//   <root>/.locks/models--org--name/<etag>.lock        held while a blob is made
// Repositories, revisions, commits, tags and files given here are checked names (hub_name.h).
#pragma once

#include <rotor/status.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"

namespace rotor {

class HubCache {
 public:
  explicit HubCache(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  std::string repo_folder(const std::string& repo) const;
  std::string lock_folder(const std::string& repo) const;
  std::string snapshot_folder(const std::string& repo, const std::string& commit) const;
  std::string blob(const std::string& repo, const std::string& etag) const;

  // Repositories of models, "org/name", sorted.
  std::vector<std::string> repos() const;
  std::vector<std::string> commits(const std::string& repo) const;
  // Branches and tags that mean the commit, sorted.
  std::vector<std::string> refs(const std::string& repo, const std::string& commit) const;
  // Paths within the snapshot of what is there with its content, sorted. A link to nothing is left out.
  std::vector<std::string> files(const std::string& repo, const std::string& commit) const;

  // The commit that a branch, a tag or a commit means here; nullopt: unknown.
  std::optional<std::string> find_commit(const std::string& repo, const std::string& revision) const;

  // Remembers what a revision means. A revision that is the commit itself needs no mark.
  Status write_ref(const std::string& repo, const std::string& revision,
                   const std::string& commit) const;

  // Makes snapshots/<commit>/<file> show the blob: a relative link, or, where there are none, the file
  // itself, moved when `fresh` (nothing else shows it), else copied.
  Status show_blob(const std::string& repo, const std::string& commit, const std::string& file,
                   const std::string& etag, bool symlinks, bool fresh) const;

 private:
  std::string root_;
};

// A lock on a file, as the Python tools take it (flock), held until destroyed.
class HubLock {
 public:
  HubLock(HubLock&& other) noexcept;
  HubLock& operator=(HubLock&&) = delete;
  ~HubLock();

  // Waits while another process holds it; `waiting` is called once before that. On file systems without
  // locks nothing is held. kIoError when the file cannot be made; kCancelled.
  static Result<HubLock> take(const std::string& path, const CancelFlag* cancel,
                              const std::function<void()>& waiting);

 private:
  explicit HubLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Makes a folder and those above it.
Status make_folders(const std::string& path);

}  // namespace rotor
