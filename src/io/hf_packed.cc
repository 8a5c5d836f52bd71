// SPDX-License-Identifier: Apache-2.0
// Rows that follow each other lie in packed rows that follow each other, except where a quarter of
// the matrix ends: read_rows() splits there.
#include "io/hf_packed.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <vector>

#include "io/codes.h"
#include "io/quote_name.h"

namespace rotor {

Result<HfPackedTensor> HfPackedTensor::open(const SafetensorsFile& file,
                                            const SafetensorsTensor& tensor, uint64_t rows,
                                            uint64_t cols) {
  const uint64_t packed_rows = rows / 4 + (rows % 4 != 0 ? 1 : 0);
  if (tensor.dtype != DType::kU8 || tensor.shape != std::vector{packed_rows, cols} || rows == 0) {
    return format_error(fmt::format(
        "{}: tensor {} at offset {}: {} packed rows of {} ternary values are U8 of shape [{}, {}], "
        "found {} of shape {}",
        file.file().path(), quote_name(tensor.name), tensor.offset, rows, cols, packed_rows, cols,
        dtype_name(tensor.dtype), shape_text(tensor.shape)));
  }
  HfPackedTensor result;
  result.file_ = &file;
  result.tensor_ = &tensor;
  result.rows_ = rows;
  result.cols_ = cols;
  result.packed_rows_ = packed_rows;
  return result;
}

Status HfPackedTensor::read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                                 size_t stride) const try {
  for (uint64_t row = row_begin; row < row_end;) {
    const uint64_t end = std::min(row_end, (row / packed_rows_ + 1) * packed_rows_);
    ROTOR_TRY(read_run(row, end, trits + (row - row_begin) * stride, stride));
    row = end;
  }
  return Status();
} catch (const std::bad_alloc&) {
  return out_of_memory(file_->file().path() + ": no memory to read rows of " +
                       quote_name(tensor_->name));
}

// Rows of one quarter of the matrix.
Status HfPackedTensor::read_run(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                                size_t stride) const {
  const uint64_t byte_offset = row_begin % packed_rows_ * cols_;
  std::vector<uint8_t> packed(static_cast<size_t>((row_end - row_begin) * cols_));
  ROTOR_TRY(file_->read(*tensor_, byte_offset, std::as_writable_bytes(std::span(packed))));
  if (const auto bad = find_code_3(packed.data(), packed.size())) {
    return format_error(fmt::format(
        "{}: tensor {}: byte {:#04x} at offset {} holds code 3, which is no ternary value",
        file_->file().path(), quote_name(tensor_->name), packed[*bad],
        tensor_->offset + byte_offset + *bad));
  }
  const auto shift = static_cast<unsigned>(2 * (row_begin / packed_rows_));
  for (uint64_t row = 0; row < row_end - row_begin; ++row) {
    unpack_codes(packed.data() + row * cols_, static_cast<size_t>(cols_), shift,
                 trits + row * stride);
  }
  return Status();
}

}  // namespace rotor
