// SPDX-License-Identifier: Apache-2.0
// The definition of the ternary matrix product.
#include "ternary/reference.h"

#include <algorithm>

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

void reference_group_matmul(const int8_t* trits, size_t rows, size_t cols, size_t group_cols,
                            const float* scales, const int8_t* x, size_t batch, float* out) {
  const size_t groups = (cols + group_cols - 1) / group_cols;
  for (size_t b = 0; b < batch; ++b) {
    for (size_t r = 0; r < rows; ++r) {
      float total = 0.0f;
      for (size_t g = 0; g < groups; ++g) {
        int32_t sum = 0;  // within 256 * 128
        for (size_t c = g * group_cols; c < std::min(cols, (g + 1) * group_cols); ++c) {
          sum += trits[r * cols + c] * x[b * cols + c];
        }
        const float product = static_cast<float>(sum) * scales[r * groups + g];
        total = total + product;
      }
      out[b * rows + r] = total;
    }
  }
}

}  // namespace rotor
