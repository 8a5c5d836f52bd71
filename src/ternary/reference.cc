// SPDX-License-Identifier: Apache-2.0
// The definition of the ternary matrix product.
#include "ternary/reference.h"

namespace rotor {

void reference_ternary_matmul(const int8_t* trits, size_t rows, size_t cols, const int8_t* x,
                              size_t batch, int64_t* out) {
  for (size_t b = 0; b < batch; ++b) {
    for (size_t r = 0; r < rows; ++r) {
      int64_t sum = 0;
      for (size_t c = 0; c < cols; ++c) {
        sum += int64_t{trits[r * cols + c]} * x[b * cols + c];
      }
      out[b * rows + r] = sum;
    }
  }
}

}  // namespace rotor
