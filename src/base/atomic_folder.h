// SPDX-License-Identifier: Apache-2.0
// AtomicFolder: files that appear together, as a folder of this name, or not at all.
#pragma once

#include <rotor/status.h>

#include <string>

namespace rotor {

// A folder being written. Without commit() the destructor removes it. A process that is killed leaves
// the temporary folder behind, never the final one; the next create() for the same path removes it,
// once the lock that every living writer holds is free. One thread at a time.
class AtomicFolder {
 public:
  AtomicFolder() = default;
  AtomicFolder(AtomicFolder&& other) noexcept;
  AtomicFolder& operator=(AtomicFolder&& other) noexcept;
  ~AtomicFolder();

  // Creates "<path>.tmp-<pid>-<n>" beside `path`. kInvalidArgument when `path` exists and is anything
  // but an empty folder: a folder with files in it is never replaced. kIoError when the system refuses.
  static Result<AtomicFolder> create(const std::string& path);

  // Where the files go. They must be durable (AtomicFile) before commit().
  const std::string& temporary_path() const { return temporary_path_; }

  // Makes the folder visible under its name. After a failure nothing is left of it.
  Status commit();

 private:
  void discard();

  int descriptor_ = -1;  // of the temporary folder, locked
  std::string path_;
  std::string temporary_path_;
};

}  // namespace rotor
