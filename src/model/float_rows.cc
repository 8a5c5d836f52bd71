// SPDX-License-Identifier: Apache-2.0
#include "model/float_rows.h"

#include <cstring>

#include "base/half.h"
#include "io/quant_blocks.h"

namespace rotor {

void decode_row(FloatType type, const std::byte* bytes, size_t cols, FromF16 from_f16, float* out) {
  switch (type) {
    case FloatType::kF32: std::memcpy(out, bytes, cols * sizeof(float)); return;
    case FloatType::kF16: from_f16(reinterpret_cast<const uint16_t*>(bytes), cols, out); return;
    case FloatType::kBf16: {
      const auto* values = reinterpret_cast<const uint16_t*>(bytes);
      for (size_t i = 0; i < cols; ++i) {
        out[i] = bf16_to_float(values[i]);
      }
      return;
    }
    case FloatType::kQ8_0: decode_q8_0_row(bytes, cols, out); return;
    case FloatType::kQ6K: decode_q6_k_row(bytes, cols, out); return;
    case FloatType::kQ4_0: decode_q4_0_row(bytes, cols, out); return;
    case FloatType::kQ4K: decode_q4_k_row(bytes, cols, out); return;
  }
}

Result<const std::byte*> row_bytes_of(const FloatMatrix& matrix, size_t begin, size_t end,
                                      std::byte* scratch) {
  if (matrix.in_memory()) {
    return matrix.row(begin);
  }
  ROTOR_TRY(matrix.file->read(begin, end, scratch));
  return static_cast<const std::byte*>(scratch);
}

}  // namespace rotor
