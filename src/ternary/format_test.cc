// SPDX-License-Identifier: Apache-2.0
// Every layout against its description in docs/formats/: sizes, all tails, all ways to repack.
#include "ternary/format.h"

#include <gtest/gtest.h>

#include <vector>

#include "ternary/trits_of.h"

namespace rotor {
namespace {

constexpr TernaryFormat kAllFormats[] = {TernaryFormat::kI2, TernaryFormat::kDense243,
                                         TernaryFormat::kFold243, TernaryFormat::kPlanes2};

TEST(TernaryFormat, NamesAndSizes) {
  for (TernaryFormat format : kAllFormats) {
    const TernaryFormatInfo& info = format_info(format);
    EXPECT_EQ(info.format, format);
    EXPECT_EQ(parse_format(info.name), format);
    EXPECT_DOUBLE_EQ(info.bits_per_weight,
                     8.0 * kTileBytes / static_cast<double>(kTileRows * info.tile_cols));
    EXPECT_EQ(tiles_per_row_block(format, 0), 0u);
    EXPECT_EQ(tiles_per_row_block(format, 1), 1u);
    EXPECT_EQ(tiles_per_row_block(format, info.tile_cols), 1u);
    EXPECT_EQ(tiles_per_row_block(format, info.tile_cols + 1), 2u);
  }
  EXPECT_EQ(parse_format("i3"), std::nullopt);
  EXPECT_EQ(packed_bytes(TernaryFormat::kDense243, 17, 21), 2u * 2 * 64);
}

TEST(TernaryFormat, AllTailsRoundTripAndMatchTheDescription) {
  for (TernaryFormat format : kAllFormats) {
    const TernaryFormatInfo& info = format_info(format);
    for (size_t cols = 1; cols <= 170; ++cols) {
      const size_t stride = cols + 3;
      const std::vector<int8_t> trits = random_trits(kTileRows * stride, 7 + cols);
      std::vector<uint8_t> packed(row_block_bytes(format, cols) + 1, 0xee);
      info.pack_row_block(trits.data(), stride, cols, packed.data());
      ASSERT_EQ(packed.back(), 0xee) << info.name << " wrote past the row block";
      ASSERT_EQ(info.find_invalid(packed.data(), packed.size() - 1), std::nullopt);
      for (size_t r = 0; r < kTileRows; ++r) {
        for (size_t c = 0; c < tiles_per_row_block(format, cols) * info.tile_cols; ++c) {
          const int expected = c < cols ? trits[r * stride + c] : 0;
          ASSERT_EQ(trit_at(format, packed.data(), r, c), expected)
              << info.name << " row " << r << " col " << c << " of " << cols;
        }
      }
      std::vector<int8_t> back(trits.size(), 55);
      info.unpack_row_block(packed.data(), cols, back.data(), stride);
      for (size_t i = 0; i < trits.size(); ++i) {
        ASSERT_EQ(back[i], i % stride < cols ? trits[i] : 55) << info.name << " cols " << cols;
      }
    }
  }
}

TEST(TernaryFormat, RepackEqualsPackForAllPairsAndTails) {
  for (size_t cols = 1; cols <= 250; ++cols) {
    const std::vector<int8_t> trits = random_trits(kTileRows * cols, 1000 + cols);
    for (TernaryFormat from : kAllFormats) {
      std::vector<uint8_t> source(row_block_bytes(from, cols));
      format_info(from).pack_row_block(trits.data(), cols, cols, source.data());
      for (TernaryFormat to : kAllFormats) {
        std::vector<uint8_t> expected(row_block_bytes(to, cols));
        format_info(to).pack_row_block(trits.data(), cols, cols, expected.data());
        std::vector<uint8_t> got(expected.size() + 1, 0xee);
        repack_row_block(from, source.data(), to, cols, got.data());
        ASSERT_EQ(got.back(), 0xee);
        got.pop_back();
        ASSERT_EQ(got, expected) << format_info(from).name << " to " << format_info(to).name
                                 << ", cols " << cols;
      }
    }
  }
}

}  // namespace
}  // namespace rotor
