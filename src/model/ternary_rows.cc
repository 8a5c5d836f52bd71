// SPDX-License-Identifier: Apache-2.0
#include "model/ternary_rows.h"

#include <cstring>
#include <vector>

#include "base/half.h"

namespace rotor {

Status TernaryRows::read(size_t begin, size_t end, std::byte* out) const {
  const size_t groups = (cols_ + group_ - 1) / group_;
  std::vector<int8_t> trits(cols_);
  std::vector<float> scales(groups);
  for (size_t row = begin; row < end; ++row) {
    ROTOR_TRY(trits_(row, row + 1, trits.data()));
    ROTOR_TRY(scales_(row, row + 1, scales.data()));
    for (size_t col = 0; col < cols_; ++col) {
      const float value = static_cast<float>(trits[col]) * scales[col / group_];
      if (type_ == FloatType::kF32) {
        std::memcpy(out, &value, sizeof(value));
        out += sizeof(value);
      } else {
        const uint16_t half = type_ == FloatType::kF16 ? float_to_f16(value) : float_to_bf16(value);
        std::memcpy(out, &half, sizeof(half));
        out += sizeof(half);
      }
    }
  }
  return {};
}

}  // namespace rotor
