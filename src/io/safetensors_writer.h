// SPDX-License-Identifier: Apache-2.0
// Writing safetensors in one pass over tensors that need not fit in memory. For a .rotor file every
// tensor starts at a multiple of 64 bytes (the format allows no holes, so U8 tensors named "rotor.pad.N"
// fill them), and the metadata holds "sha256.<tensor>" for each; other files have their tensors alone.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/sha256.h"
#include "io/dtype.h"

namespace rotor {

// The file appears under its name with commit(), not before. One thread at a time.
class SafetensorsWriter {
 public:
  struct Tensor {
    std::string name;
    DType dtype = DType::kU8;
    std::vector<uint64_t> shape;
  };

  enum class Kind : uint8_t { kRotor, kPlain };

  // Writes the header. Bytes that are no UTF-8 become U+FFFD. kInvalidArgument for a name used
  // twice or reserved ("rotor.pad.*", "sha256.*" as a key) and for sizes that overflow.
  static Result<SafetensorsWriter> create(const std::string& path, std::vector<Tensor> tensors,
                                          const std::map<std::string, std::string>& metadata,
                                          Kind kind = Kind::kRotor);

  // Appends bytes of `tensor`. Tensors come in the order they were declared, each complete before
  // the next; kInternal otherwise.
  Status write(std::string_view tensor, std::span<const std::byte> bytes);

  // Replaces a metadata value by one that takes as many bytes in JSON; kInternal otherwise.
  Status set_metadata(std::string_view key, std::string_view value);

  // REQUIRES: every tensor is complete (kInternal otherwise). Makes the file durable and visible.
  Status commit();

  uint64_t file_bytes() const;  // of the finished file

 private:
  struct Planned {
    Tensor tensor;
    uint64_t offset;  // from the start of the file
    uint64_t bytes;
  };
  struct Value {
    uint64_t offset;  // of the escaped text, from the start of the file
    size_t bytes;
  };

  Status plan(std::vector<Tensor> tensors);
  Result<std::string> header(const std::map<std::string, std::string>& metadata);
  Status finish_tensor();

  AtomicFile file_;
  Kind kind_ = Kind::kRotor;
  std::vector<Planned> planned_;  // with the padding tensors, in file order
  std::map<std::string, Value, std::less<>> values_;
  size_t current_ = 0;    // index into planned_
  uint64_t written_ = 0;  // bytes of the current tensor
  Sha256 hash_;           // over them
};

}  // namespace rotor
