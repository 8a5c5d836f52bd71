// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy format, version 1.0, little-endian, C order: what `rotor logits` writes and reads.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"

namespace rotor::cli {

// Writes a two-dimensional array (rows, cols) of T in {float, int32_t, int8_t} row by row.
class NpyWriter {
 public:
  // `descr` is NumPy's type string: "<f4", "<i4", "|i1".
  static Result<NpyWriter> create(const std::string& path, const char* descr,
                                  std::vector<size_t> shape);
  Status write(std::span<const std::byte> bytes) { return file_.write(bytes); }
  Status commit() { return file_.commit(); }

 private:
  AtomicFile file_;
};

// The raw elements of a C-order array of type `descr`. kFormatError for another type or order.
struct NpyArray {
  std::vector<size_t> shape;
  std::string bytes;
};
Result<NpyArray> read_npy(const std::string& path, const char* descr, size_t item_bytes);

}  // namespace rotor::cli
