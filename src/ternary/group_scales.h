// SPDX-License-Identifier: Apache-2.0
// Scales of groups of columns: which there are and how they lie in memory, one row block after the
// other, group by group, so that the 16 rows of a block find their multipliers side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rotor {

// How a multiplier is stored: as the model's file has it, so that nothing is lost.
enum class GroupScaleType : uint8_t { kF16 = 0, kF32 };
inline constexpr size_t kGroupScaleTypes = 2;

std::string_view group_scale_type_name(GroupScaleType type);  // "f16", "f32"
inline size_t group_scale_type_bytes(GroupScaleType type) {
  return type == GroupScaleType::kF16 ? 2 : 4;
}

// Whole tiles of i2, the only layout that has kernels for groups.
inline constexpr size_t kGroupCols[] = {64, 128, 256};

struct GroupShape {
  size_t cols = 0;             // of a group: one of kGroupCols; a row's last group may have fewer
  GroupScaleType type = GroupScaleType::kF16;

  size_t groups(size_t matrix_cols) const { return (matrix_cols + cols - 1) / cols; }
  bool operator==(const GroupShape&) const = default;
};

// The group size of which `groups` make a row of `cols` columns; the smallest where a row is one group.
std::optional<size_t> group_cols_of(size_t cols, size_t groups);

// Bytes of the scales of a row block, and of a matrix in whole cache lines. REQUIRES: the product fits
// size_t.
size_t group_scale_block_bytes(const GroupShape& shape, size_t cols);
size_t group_scale_bytes(const GroupShape& shape, size_t rows, size_t cols);

// `count` scales one after the other in their type. False when one is no number of it.
bool store_group_scales(GroupScaleType type, const float* scales, size_t count, std::byte* out);

// One row block: scales (16, groups) to out (groups, 16). False when a scale is no number of the type.
bool pack_group_scales(GroupScaleType type, const float* scales, size_t groups, std::byte* out);

}  // namespace rotor
