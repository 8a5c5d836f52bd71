// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding or head as binary32, whatever type the file kept them in.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"
#include "model/weights.h"

namespace rotor {

// out (cols) = row `row` of `matrix`. REQUIRES: row < matrix.rows. Exact for every type.
void decode_row(const FloatMatrix& matrix, size_t row, FromF16 from_f16, float* out);

}  // namespace rotor
