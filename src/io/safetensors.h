// SPDX-License-Identifier: Apache-2.0
// Reading safetensors: 8 bytes of header length, a JSON object that describes the tensors, then
// their bytes without a gap. Everything is checked when the file is opened, so that every tensor
// here lies inside the file and has exactly the bytes its type and shape ask for.
// docs/formats/safetensors.md has the rules.
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
#include "io/dtype.h"

namespace rotor {

struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<uint64_t> shape;  // at most 8; empty for a scalar
  uint64_t offset = 0;          // of the first byte, from the start of the file
  uint64_t bytes = 0;
};

// One file. Immutable once opened; readable from several threads.
class SafetensorsFile {
 public:
  // kFormatError names the file, the tensor and the offset.
  static Result<SafetensorsFile> open(const std::string& path);
  static Result<SafetensorsFile> parse(File file);

  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }  // in file order
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const SafetensorsTensor* find(std::string_view name) const;  // nullptr when there is none
  const File& file() const { return file_; }

  // Fills `out` with the tensor's bytes from `byte_offset`. kInvalidArgument when that leaves it.
  Status read(const SafetensorsTensor& tensor, uint64_t byte_offset,
              std::span<std::byte> out) const;

 private:
  File file_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<uint32_t> by_name_;  // indices into tensors_, sorted by name
  std::map<std::string, std::string> metadata_;
};

// Writes "[2, 3]".
std::string shape_text(std::span<const uint64_t> shape);

}  // namespace rotor
