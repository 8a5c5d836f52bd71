// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/head_rows.h"

#include <algorithm>

#include "base/round_up.h"
#include "model/float_rows.h"

namespace rotor {

size_t HeadRows::scratch_bytes() const {
  return round_up(head_.cols * sizeof(float), 64) + round_up(at_once_ * head_.row_bytes(), 64);
}

Status HeadRows::dot(size_t begin, size_t end, DotRowsArgs args, std::byte* scratch) const {
  args.cols = head_.cols;
  float* values = reinterpret_cast<float*>(scratch);
  std::byte* bytes = scratch + round_up(head_.cols * sizeof(float), 64);
  const size_t step = head_.in_memory() ? end - begin : at_once_;
  for (size_t row = begin; row < end; row += step) {
    const size_t last = std::min(end, row + step);
    ROTOR_ASSIGN(const std::byte* w, row_bytes_of(head_, row, last, bytes));
    dot_bytes(w, last - row, args, values);
    args.out += last - row;
  }
  return {};
}

void HeadRows::dot_bytes(const std::byte* bytes, size_t rows, DotRowsArgs args,
                         float* values) const {
  args.w = bytes;
  args.rows = rows;
  switch (head_.type) {
    case FloatType::kF32: kernels_.dot_rows_f32(args); return;
    case FloatType::kF16: kernels_.dot_rows_f16(args); return;
    case FloatType::kBf16: kernels_.dot_rows_bf16(args); return;
    case FloatType::kQ8_0:
    case FloatType::kQ6K:
    case FloatType::kQ4_0:
    case FloatType::kQ4K: break;
  }
  args.w = values;
  args.rows = 1;
  for (size_t r = 0; r < rows; ++r) {
    decode_row(head_.type, bytes + r * head_.row_bytes(), head_.cols, kernels_.from_f16, values);
    kernels_.dot_rows_f32(args);
    ++args.out;
  }
}

}  // namespace rotor
