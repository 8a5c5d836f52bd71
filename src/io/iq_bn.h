// SPDX-License-Identifier: Apache-2.0
// Decoding the ternary types of ik_llama.cpp: IQ1_BN, IQ2_BN and IQ2_BN_R4, rows of blocks of 64
// with one scale a row. docs/formats/gguf.md has them byte by byte.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/gguf.h"

namespace rotor {

enum class IqBn : uint8_t { kIQ1_BN, kIQ2_BN, kIQ2_BN_R4 };

std::string_view iq_bn_name(IqBn kind);
std::optional<IqBn> find_iq_bn(const GgufTensor& tensor);  // by its type

// One tensor of an open file. Immutable; reading may go on in several threads at once.
class IqBnTensor {
 public:
  // `tensor` is one of `file`, which must outlive the result. kFormatError when it is no matrix of
  // whole blocks and row groups, or takes other bytes than they need: files from before the types
  // had scales.
  static Result<IqBnTensor> open(const GgufFile& file, const GgufTensor& tensor, IqBn kind);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  IqBn kind() const { return kind_; }

  // Writes row r of [row_begin, row_end) to trits + (r - row_begin) * stride, `cols` values each; a
  // row whose scale is 0 has zeros. kFormatError, with the byte's offset in the file, for a byte
  // that holds no trits. REQUIRES: row_end <= rows(), stride >= cols().
  Status read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;

  // scales (row_end - row_begin). kFormatError for one that is negative or not finite.
  Status read_scales(uint64_t row_begin, uint64_t row_end, float* scales) const;

 private:
  // Rows that lie together: 4 of IQ2_BN_R4, else 1. Their scales come first, then their blocks.
  uint64_t group_rows() const { return kind_ == IqBn::kIQ2_BN_R4 ? 4 : 1; }
  size_t scale_bytes() const { return kind_ == IqBn::kIQ1_BN ? 2 : 4; }
  uint64_t group_bytes() const;
  float scale_of(const uint8_t* group, size_t row) const;
  // The trits of one row of a group; the first byte of the group that holds none, or nothing.
  std::optional<size_t> decode_row(const uint8_t* group, size_t row, int8_t* trits) const;

  const File* file_ = nullptr;
  std::string name_;
  uint64_t offset_ = 0;  // of the first row, in the file
  uint64_t rows_ = 0;
  uint64_t cols_ = 0;
  IqBn kind_ = IqBn::kIQ1_BN;
};

}  // namespace rotor
