// SPDX-License-Identifier: Apache-2.0
#include "ternary/group_scales.h"

#include <bit>
#include <cstring>

#include "base/half.h"
#include "base/round_up.h"
#include "ternary/format.h"

namespace rotor {

std::string_view group_scale_type_name(GroupScaleType type) {
  return type == GroupScaleType::kF16 ? "f16" : "f32";
}

std::optional<size_t> group_cols_of(size_t cols, size_t groups) {
  for (const size_t size : kGroupCols) {
    if (GroupShape{size}.groups(cols) == groups) {
      return size;
    }
  }
  return std::nullopt;
}

size_t group_scale_block_bytes(const GroupShape& shape, size_t cols) {
  return shape.groups(cols) * kTileRows * group_scale_type_bytes(shape.type);
}

size_t group_scale_bytes(const GroupShape& shape, size_t rows, size_t cols) {
  return round_up(row_blocks(rows) * group_scale_block_bytes(shape, cols), 64);
}

bool store_group_scales(GroupScaleType type, const float* scales, size_t count, std::byte* out) {
  if (type == GroupScaleType::kF32) {
    std::memcpy(out, scales, count * sizeof(float));
    return true;
  }
  bool exact = true;
  for (size_t i = 0; i < count; ++i) {
    const uint16_t half = float_to_f16(scales[i]);
    std::memcpy(out + i * sizeof(half), &half, sizeof(half));
    exact &= std::bit_cast<uint32_t>(f16_to_float(half)) == std::bit_cast<uint32_t>(scales[i]);
  }
  return exact;
}

bool pack_group_scales(GroupScaleType type, const float* scales, size_t groups, std::byte* out) {
  const size_t bytes = kTileRows * group_scale_type_bytes(type);
  bool exact = true;
  for (size_t g = 0; g < groups; ++g) {
    float column[kTileRows];
    for (size_t r = 0; r < kTileRows; ++r) {
      column[r] = scales[r * groups + g];
    }
    exact &= store_group_scales(type, column, kTileRows, out + g * bytes);
  }
  return exact;
}

}  // namespace rotor
