// SPDX-License-Identifier: Apache-2.0
// Reading GGUF, versions 2 and 3: typed metadata and the places of the tensors. Everything
// structural is checked when the file is opened: names are unique, tensors lie inside the file,
// aligned, without overlap or holes, with the bytes their type asks for. What the metadata means is
// the loader's business. A model split over several files is one GgufFile. docs/formats/gguf.md has
// the rules.
#pragma once

#include <rotor/status.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "io/gguf_override.h"
#include "io/gguf_types.h"

namespace rotor {

// An array of strings in one block of memory: a vocabulary costs its bytes and 4 more a string.
class GgufStrings {
 public:
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t index) const {
    const size_t begin = index == 0 ? 0 : ends_[index - 1];
    return std::string_view(bytes_).substr(begin, ends_[index] - begin);
  }

 private:
  friend class GgufParser;
  std::string bytes_;
  std::vector<uint32_t> ends_;
};

// An array as the file has it. Nested arrays are refused when the file is opened.
struct GgufArray {
  uint32_t element_type = 0;  // the value type ids of the format: 0 u8 ... 12 f64
  uint64_t count = 0;
  std::vector<std::byte> bytes;  // numbers and booleans, little-endian; empty for strings
  GgufStrings strings;           // element_type 8
};

// The index of an alternative is its value type id in the file.
using GgufValue =
    std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, float, bool, std::string,
                 std::unique_ptr<const GgufArray>, uint64_t, int64_t, double>;

struct GgufEntry {
  std::string key;
  uint64_t offset = 0;  // of the value type, in the file
  GgufValue value;
};

struct GgufTensor {
  std::string name;
  uint32_t type = 0;
  uint32_t rank = 0;                            // 0 to 4
  std::array<uint64_t, 4> dims = {1, 1, 1, 1};  // ne0, along which elements follow, first
  uint64_t elements = 0;                        // product of dims, below 2^48
  uint64_t offset = 0;                          // of the data, from the start of its file
  uint64_t span = 0;                            // bytes to the next tensor or the file's end
  uint32_t part = 0;                            // which file of a split model
  uint32_t alignment = 32;                      // of that file: spans are padded to it
};

// Immutable once opened; readable from several threads.
class GgufFile {
 public:
  // kFormatError names the file, the field and the offset; kUnsupported for version 1 and for
  // big-endian files. open() finds the other parts of a split model beside the one it is given; parse()
  // reads one file, whatever it says of others; join() makes one of all parts, in order.
  static Result<GgufFile> open(const std::string& path);
  static Result<GgufFile> parse(File file);
  static Result<GgufFile> join(std::vector<GgufFile> parts);

  uint32_t version() const { return version_; }
  const std::vector<GgufEntry>& metadata() const { return metadata_; }  // in file order
  const std::vector<GgufTensor>& tensors() const { return tensors_; }   // by part and offset
  const File& file() const { return file_; }                            // the first part
  const File& file_of(const GgufTensor& tensor) const {
    return tensor.part == 0 ? file_ : more_files_[tensor.part - 1];
  }
  size_t parts() const { return 1 + more_files_.size(); }

  const GgufTensor* find_tensor(std::string_view name) const;  // nullptr when there is none
  const GgufValue* find_value(std::string_view key) const;

  // From now on lookups of these keys find these values, whatever the file has; the last of one key
  // holds. Says for each what it replaces. Not while other threads read; at most once.
  std::vector<std::string> replace(std::span<const GgufOverride> overrides);
  // The keys given to replace() that no lookup has asked for.
  std::vector<std::string> unread_replacements() const;

  // Typed lookups. Absent keys give nullopt; a value of another type, or out of range, is an error
  // that says key, expected and found. Integers of every width convert where they fit.
  Result<std::optional<int64_t>> integer(std::string_view key) const;
  Result<std::optional<double>> number(std::string_view key) const;  // integers too
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<std::optional<std::string_view>> string(std::string_view key) const;
  // nullptr when absent.
  Result<const GgufStrings*> strings(std::string_view key) const;
  // Of booleans, too: false is 0.
  Result<std::optional<std::vector<int64_t>>> integers(std::string_view key) const;
  Result<std::optional<std::vector<float>>> floats(std::string_view key) const;

  // Fills `out` with the tensor's bytes from `byte_offset`. kInvalidArgument when that leaves it.
  Status read(const GgufTensor& tensor, uint64_t byte_offset, std::span<std::byte> out) const;

 private:
  friend class GgufParser;
  const GgufEntry* find_entry(std::string_view key) const;
  Status mismatch(const GgufEntry& entry, std::string_view expected) const;
  Status index_tensors();  // kFormatError for a name that occurs twice

  File file_;
  std::vector<File> more_files_;
  uint32_t version_ = 0;
  std::vector<GgufEntry> metadata_;
  std::vector<GgufTensor> tensors_;
  std::vector<GgufEntry> replacements_;
  std::unique_ptr<std::atomic<bool>[]> replacement_read_;  // one each
  std::vector<uint32_t> keys_by_name_;     // indices into metadata_, sorted by key
  std::vector<uint32_t> tensors_by_name_;  // indices into tensors_, sorted by name
};

}  // namespace rotor
