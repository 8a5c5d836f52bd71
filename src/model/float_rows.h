// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding or head as binary32, whatever type the file kept them in and wherever they are.
#pragma once

#include <rotor/status.h>

#include <cstddef>

#include "kernels/kernels.h"
#include "model/weights.h"

namespace rotor {

// out (cols) = the row that `bytes` (float_row_bytes(type, cols)) hold. Exact for every type.
void decode_row(FloatType type, const std::byte* bytes, size_t cols, FromF16 from_f16, float* out);

// The bytes of rows [begin, end): in memory where they lie, else read from the file into `scratch`,
// which has room for them. Thread-safe. REQUIRES: end <= matrix.rows. Errors: those of reading.
Result<const std::byte*> row_bytes_of(const FloatMatrix& matrix, size_t begin, size_t end,
                                      std::byte* scratch);

}  // namespace rotor
