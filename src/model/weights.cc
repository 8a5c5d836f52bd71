// SPDX-License-Identifier: Apache-2.0
// Row sizes of the float types, block types included.
#include "model/weights.h"

namespace rotor {

size_t float_row_bytes(FloatType type, size_t cols) {
  switch (type) {
    case FloatType::kF32: return cols * 4;
    case FloatType::kF16:
    case FloatType::kBf16: return cols * 2;
    case FloatType::kQ8_0: return cols % 32 == 0 ? cols / 32 * 34 : 0;
    case FloatType::kQ6K: return cols % 256 == 0 ? cols / 256 * 210 : 0;
    case FloatType::kQ4_0: return cols % 32 == 0 ? cols / 32 * 18 : 0;
    case FloatType::kQ4K: return cols % 256 == 0 ? cols / 256 * 144 : 0;
  }
  return 0;
}

}  // namespace rotor
