// SPDX-License-Identifier: Apache-2.0
// Writing GGUF, version 3, in one pass over tensors that need not fit in memory. The metadata and the
// sizes of all tensors are known when it begins.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"

namespace rotor {

// The file appears under its name with commit(), not before. One thread at a time.
class GgufWriter {
 public:
  using Value = std::variant<uint32_t, int32_t, float, bool, std::string,
                             std::vector<std::string>, std::vector<int32_t>, std::vector<float>,
                             std::vector<bool>>;
  struct Entry {
    std::string key;
    Value value;
  };
  struct Tensor {
    std::string name;
    uint32_t type = 0;
    std::vector<uint64_t> dims;  // ne0, along which elements follow, first
    uint64_t bytes = 0;
  };

  // Writes metadata and descriptions. kInvalidArgument for what no reader takes: a key or name used
  // twice or too long, a size that is not the type's, more than docs/formats/gguf.md allows.
  static Result<GgufWriter> create(const std::string& path, const std::vector<Entry>& metadata,
                                   std::vector<Tensor> tensors);

  // Appends bytes of `tensor`. Tensors come in the order they were declared, each complete before
  // the next; kInternal otherwise.
  Status write(std::string_view tensor, std::span<const std::byte> bytes);

  // Replaces a text by one of as many bytes; kInternal otherwise.
  Status set_text(std::string_view key, std::string_view value);

  // Ends the last tensor: the file is complete under temporary_path(), where it can be read.
  // REQUIRES: every tensor is complete (kInternal otherwise).
  Status finish();
  const std::string& temporary_path() const { return file_.temporary_path(); }

  // Makes the file durable and visible. REQUIRES: finish().
  Status commit() { return file_.commit(); }

  uint64_t file_bytes() const;  // of the finished file

 private:
  struct Place {
    uint64_t offset;  // of the text, from the start of the file
    size_t bytes;
  };

  Result<std::string> header(const std::vector<Entry>& metadata);
  Status finish_tensor();

  AtomicFile file_;
  std::vector<Tensor> tensors_;
  std::vector<uint64_t> offsets_;  // of tensors_, from the start of the file
  std::map<std::string, Place, std::less<>> texts_;
  size_t current_ = 0;    // index into tensors_
  uint64_t written_ = 0;  // bytes of the current tensor
};

}  // namespace rotor
