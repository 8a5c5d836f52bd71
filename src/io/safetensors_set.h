// SPDX-License-Identifier: Apache-2.0
// The safetensors files of a model folder as one set of tensors: model.safetensors alone, or the
// shards that model.safetensors.index.json names.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace rotor {

// Immutable once opened; readable from several threads.
class SafetensorsSet {
 public:
  // A tensor and the file that holds it. Valid as long as the set, which may be moved.
  struct Entry {
    const SafetensorsFile* file = nullptr;
    const SafetensorsTensor* tensor = nullptr;
    explicit operator bool() const { return tensor != nullptr; }
  };

  // `path`: a folder, or one safetensors file. kFormatError when the index names a file outside the
  // folder, or index and files disagree on where a tensor is.
  static Result<SafetensorsSet> open(const std::string& path);

  Entry find(std::string_view name) const;  // empty when there is none
  const std::vector<SafetensorsFile>& files() const { return files_; }

 private:
  static Result<SafetensorsSet> open_shards(const std::string& folder, const std::string& index);

  std::vector<SafetensorsFile> files_;
};

}  // namespace rotor
