// SPDX-License-Identifier: Apache-2.0
// Decoding the packed ternary tensors of Hugging Face checkpoints: U8 of shape (P, cols), where
// byte (j, k) holds, in bits 2i and 2i+1, code t + 1 of row i * P + j, column k. So four rows that
// lie P apart share a byte. The layout is that of transformers/integrations/bitnet.py.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>

#include "io/safetensors.h"

namespace rotor {

// One tensor of an open file. Immutable; read_rows() may be called from several threads at once.
class HfPackedTensor {
 public:
  // `tensor` is one of `file`; both must outlive the result. `rows` is the number of outputs that
  // the model's configuration asks for. kFormatError unless the tensor is U8 of shape
  // (ceil(rows / 4), cols).
  static Result<HfPackedTensor> open(const SafetensorsFile& file, const SafetensorsTensor& tensor,
                                     uint64_t rows, uint64_t cols);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }

  // Writes row r of [row_begin, row_end) to trits + (r - row_begin) * stride, `cols` values each.
  // kFormatError, with the byte's offset in the file, for code 3. REQUIRES: row_end <= rows(),
  // stride >= cols().
  Status read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;

 private:
  Status read_run(uint64_t row_begin, uint64_t row_end, int8_t* trits, size_t stride) const;

  const SafetensorsFile* file_ = nullptr;
  const SafetensorsTensor* tensor_ = nullptr;
  uint64_t rows_ = 0;
  uint64_t cols_ = 0;
  uint64_t packed_rows_ = 0;
};

}  // namespace rotor
