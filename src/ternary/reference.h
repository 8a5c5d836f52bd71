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

}  // namespace rotor
