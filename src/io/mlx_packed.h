// SPDX-License-Identifier: Apache-2.0
// Decoding matrices that MLX quantised to 2 bits, as far as they are ternary: U32 of shape (rows,
// cols / 16), element i of a row in bits 2 (i mod 16) and up of word i div 16, and for each group
// of columns a scale and a bias: weight = scale * code + bias. With bias = -scale the codes 0, 1, 2
// are -1, 0, +1 times the scale.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>

#include "io/safetensors_set.h"

namespace rotor {

// The three tensors of a matrix: <name>.weight, <name>.scales, <name>.biases.
struct MlxTensors {
  SafetensorsSet::Entry weight;
  SafetensorsSet::Entry scales;
  SafetensorsSet::Entry biases;
};

// A matrix of open files. Immutable; reading may go on in several threads at once.
class MlxPackedTensor {
 public:
  // The files of `tensors` must outlive the result. kFormatError unless the shapes are those of
  // (rows, cols) in groups of `group` columns, scales and biases of one type, F16, BF16 or F32.
  // REQUIRES: group is a positive multiple of 16.
  static Result<MlxPackedTensor> open(const MlxTensors& tensors, uint64_t rows, uint64_t cols,
                                      uint64_t group);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  uint64_t group() const { return group_; }
  DType scale_type() const { return tensors_.scales.tensor->dtype; }

  // Writes row r of [row_begin, row_end) to trits + (r - row_begin) * stride, `cols` values each;
  // zeros where the scale is 0. kUnsupported, naming tensor and byte, for code 3 and for a bias
  // that is not -scale: the matrix is not ternary. REQUIRES: row_end <= rows(), stride >= cols().
  Status read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;

  // scales (row_end - row_begin, cols() / group()), all at least 0: where the file has a negative
  // one, read_rows() turns the signs. Errors as those of read_rows(), kFormatError for one that is
  // not finite.
  Status read_scales(uint64_t row_begin, uint64_t row_end, float* scales) const;

 private:
  // The scales of one row as the file has them.
  Status read_signed_scales(uint64_t row, float* scales) const;
  uint64_t groups() const { return cols_ / group_; }

  MlxTensors tensors_;
  uint64_t rows_ = 0;
  uint64_t cols_ = 0;
  uint64_t group_ = 0;
};

}  // namespace rotor
