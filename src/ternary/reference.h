// SPDX-License-Identifier: Apache-2.0
// What a ternary matrix product is: the definition on plain trits that layouts and kernels are
// tested against. Slow, and independent of every layout.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rotor {

// out[b, r] = sum over c of trits[r, c] * x[b, c], in 64 bits.
// trits: (rows, cols); x: (batch, cols); out: (batch, rows); all contiguous.
void reference_ternary_matmul(const int8_t* trits, size_t rows, size_t cols, const int8_t* x,
                              size_t batch, int64_t* out);

// The product with a scale for each group of `group_cols` columns, the last of which may have fewer:
// out[b, r] = sum over groups g, ascending, from +0.0, of float(S) * scales[r, g], where S is the sum
// of trits[r, c] * x[b, c] over the columns of g; every product and sum rounded to binary32.
// scales: (rows, groups); out: (batch, rows).
void reference_group_matmul(const int8_t* trits, size_t rows, size_t cols, size_t group_cols,
                            const float* scales, const int8_t* x, size_t batch, float* out);

}  // namespace rotor
