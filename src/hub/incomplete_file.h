// SPDX-License-Identifier: Apache-2.0
// A file that is being received. Unlike base/file.h's AtomicFile it stays when its process ends, so that
// the next one goes on where it stopped.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace rotor {

class IncompleteFile {
 public:
  IncompleteFile(IncompleteFile&& other) noexcept;
  IncompleteFile& operator=(IncompleteFile&&) = delete;
  ~IncompleteFile();

  // Opens `path`, or makes it; what it holds is kept. kIoError, also when it is a link.
  static Result<IncompleteFile> open(const std::string& path);

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  // Empties the file.
  Status restart();
  // kIoError when the disk is full; what was written before stays.
  Status append(std::span<const std::byte> bytes);
  // Makes the content durable under another name of the same folder.
  Status finish(const std::string& final_path);
  // Removes the file.
  void discard();

 private:
  IncompleteFile(int descriptor, uint64_t size, std::string path)
      : descriptor_(descriptor), size_(size), path_(std::move(path)) {}

  int descriptor_;
  uint64_t size_;
  std::string path_;
};

}  // namespace rotor
