// SPDX-License-Identifier: Apache-2.0
// Reading and writing files. File reads at offsets and never maps, so a file that is truncated or
// replaced while a model runs cannot fault. AtomicFile makes a file appear under its name only when
// it is complete: temporary file, fsync, rename, fsync of the folder.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace rotor {

// A regular file opened for reading, or bytes in memory that are read the same way. read() may be
// called from several threads at once.
class File {
 public:
  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  // kNotFound when there is no such file; kFormatError for folders, pipes and devices; kIoError when
  // the system refuses.
  static Result<File> open(const std::string& path);

  // A file that is `content`; `name` stands for its path in messages.
  static File from_memory(std::string content, std::string name);

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  // Fills `out` from byte `offset`. kFormatError when the range leaves the file as it was when
  // opened; kIoError when the system fails or the file was shortened since.
  Status read(uint64_t offset, std::span<std::byte> out) const;

 private:
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::string path_;
  std::string content_;  // of a file in memory
};

// The whole content of a file of at most `limit` bytes; kFormatError when it is larger.
Result<std::string> read_text_file(const std::string& path, uint64_t limit);

// A file being written. Without commit() the destructor removes what was written and the old file,
// if any, stays. A process that is killed leaves the temporary file behind, never a part of the
// final one; the next create() for the same path removes what dead processes left (a lock on the
// temporary file, which ends with its process, tells the dead from the living). One thread at a
// time.
class AtomicFile {
 public:
  AtomicFile() = default;
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  // Creates "<path>.tmp-<pid>-<n>" beside `path`. kIoError when the folder refuses, or when `path`
  // names something that is not a regular file. A symbolic link is followed and stays.
  static Result<AtomicFile> create(const std::string& path);

  // Appends.
  Status write(std::span<const std::byte> bytes);
  // Overwrites bytes already written. REQUIRES: offset + bytes.size() <= size().
  Status write_at(uint64_t offset, std::span<const std::byte> bytes);
  uint64_t size() const { return size_; }
  // Where what was written can be read before commit().
  const std::string& temporary_path() const { return temporary_path_; }

  // Makes the file durable and visible under its name. After a failure nothing is left of it.
  Status commit();

 private:
  void discard();
  Status put(uint64_t offset, std::span<const std::byte> bytes);

  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::string path_;
  std::string temporary_path_;
};

// True when both names lead to one existing file (same device and inode).
bool same_file(const std::string& a, const std::string& b);

// kInvalidArgument when writing `output` would replace what is read from `input`: by any name or
// link, that file, or a file of that folder.
Status check_output(const std::string& input, const std::string& output);

}  // namespace rotor
