// SPDX-License-Identifier: Apache-2.0
// Decoding I2_S tensors of bitnet.cpp (GGUF type 36): 2-bit codes t + 1 of a whole matrix, packed
// as one run, then a 32-byte tail that starts with the binary32 multiplier. Nothing in a file says
// which of three arrangements of the codes it uses. docs/formats/gguf.md has them byte by byte.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/gguf.h"

namespace rotor {

enum class I2sLayout : uint8_t {
  k128,  // 128 codes in 32 bytes: byte g holds codes g, 32+g, 64+g, 96+g, the first in bits 7:6
  k64,   // 64 codes in 16 bytes: byte g holds codes g, 16+g, 32+g, 48+g
  k1x4,  // byte k of row group g holds column k of rows 4g ... 4g+3
};
std::optional<I2sLayout> parse_i2s_layout(std::string_view name);  // "128", "64", "1x4"
std::string_view i2s_layout_name(I2sLayout layout);

// One tensor of an open file. Immutable; read_rows() may be called from several threads at once.
class I2sTensor {
 public:
  // `tensor` is one of `file`, which must outlive the result. kFormatError when its size is not
  // that of I2_S or the multiplier is not finite; kUnsupported when the matrix is no whole number
  // of blocks, which no writer of the format can store without loss.
  static Result<I2sTensor> open(const GgufFile& file, const GgufTensor& tensor, I2sLayout layout);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  float multiplier() const { return multiplier_; }  // real weight = trit * multiplier

  // Writes row r of [row_begin, row_end) to trits + (r - row_begin) * stride, `cols` values each.
  // kFormatError, with the byte's offset in the file, for code 3. REQUIRES: row_end <= rows(),
  // stride >= cols().
  Status read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;

 private:
  Status read_blocks(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;
  Status read_row_groups(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;
  Status check_codes(const uint8_t* packed, size_t bytes, uint64_t offset) const;

  const File* file_ = nullptr;
  std::string name_;
  uint64_t offset_ = 0;  // of the codes, in the file
  uint64_t rows_ = 0;
  uint64_t cols_ = 0;
  I2sLayout layout_ = I2sLayout::k128;
  float multiplier_ = 0.0f;
};

}  // namespace rotor
