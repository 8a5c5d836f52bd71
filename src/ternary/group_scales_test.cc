// SPDX-License-Identifier: Apache-2.0
#include "ternary/group_scales.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/half.h"
#include "ternary/format.h"

namespace rotor {
namespace {

TEST(GroupScales, CountsGroupsAndBytes) {
  const GroupShape shape{128, GroupScaleType::kF16};
  EXPECT_EQ(shape.groups(1), 1u);
  EXPECT_EQ(shape.groups(128), 1u);
  EXPECT_EQ(shape.groups(129), 2u);
  EXPECT_EQ(group_scale_block_bytes(shape, 2560), 20u * 16 * 2);
  EXPECT_EQ(group_scale_bytes(shape, 16, 128), 64u);
  EXPECT_EQ(group_scale_bytes({64, GroupScaleType::kF32}, 17, 65), 2u * 2 * 16 * 4);
  EXPECT_EQ(group_scale_type_name(GroupScaleType::kF16), "f16");
  EXPECT_EQ(group_scale_type_name(GroupScaleType::kF32), "f32");
}

// The count of groups tells their size, but where a row is a single group: there any size computes
// the same.
TEST(GroupScales, TheCountOfGroupsTellsTheirSize) {
  for (size_t cols = 1; cols <= 3000; ++cols) {
    for (const size_t size : kGroupCols) {
      const size_t groups = GroupShape{size}.groups(cols);
      const auto found = group_cols_of(cols, groups);
      ASSERT_TRUE(found.has_value());
      ASSERT_TRUE(groups == 1 ? *found >= cols || *found == 64 : *found == size) << cols;
    }
    ASSERT_EQ(group_cols_of(cols, 0), std::nullopt);
    ASSERT_EQ(group_cols_of(cols, cols / 64 + 2), std::nullopt);
  }
  EXPECT_EQ(group_cols_of(1024, 5), std::nullopt);
}

TEST(GroupScales, PacksGroupByGroup) {
  constexpr size_t kGroups = 3;
  std::vector<float> scales(kTileRows * kGroups);
  for (size_t i = 0; i < scales.size(); ++i) {
    scales[i] = 0.25f * static_cast<float>(i) - 3.0f;
  }
  std::vector<uint16_t> halves(scales.size());
  std::vector<float> floats(scales.size());
  EXPECT_TRUE(pack_group_scales(GroupScaleType::kF16, scales.data(), kGroups,
                                reinterpret_cast<std::byte*>(halves.data())));
  EXPECT_TRUE(pack_group_scales(GroupScaleType::kF32, scales.data(), kGroups,
                                reinterpret_cast<std::byte*>(floats.data())));
  for (size_t g = 0; g < kGroups; ++g) {
    for (size_t r = 0; r < kTileRows; ++r) {
      EXPECT_EQ(f16_to_float(halves[g * kTileRows + r]), scales[r * kGroups + g]);
      EXPECT_EQ(floats[g * kTileRows + r], scales[r * kGroups + g]);
    }
  }
}

TEST(GroupScales, NoticesWhatBinary16CannotHold) {
  for (const float value : {0.1f, 70000.0f, 0x1p-25f, 1.0f + 0x1p-11f}) {
    std::vector<float> scales(kTileRows, 1.0f);
    std::vector<std::byte> out(kTileRows * sizeof(float));
    scales[7] = value;
    EXPECT_FALSE(pack_group_scales(GroupScaleType::kF16, scales.data(), 1, out.data())) << value;
    EXPECT_TRUE(pack_group_scales(GroupScaleType::kF32, scales.data(), 1, out.data())) << value;
  }
  std::vector<float> fitting = {-0.0f, 0x1p-24f, 65504.0f, -0x1.ff8p-15f};
  fitting.resize(kTileRows, 0.0f);
  std::vector<uint16_t> out(kTileRows);
  EXPECT_TRUE(pack_group_scales(GroupScaleType::kF16, fitting.data(), 1,
                                reinterpret_cast<std::byte*>(out.data())));
  EXPECT_EQ(out[0], 0x8000u);
  EXPECT_EQ(out[1], 1u);
}

}  // namespace
}  // namespace rotor
