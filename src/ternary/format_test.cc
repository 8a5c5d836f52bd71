// SPDX-License-Identifier: Apache-2.0
// Every layout against the definition in docs/formats/: all codes, all tails, invalid bytes.
#include "ternary/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <vector>

#include "ternary/reference.h"

namespace rotor {
namespace {

constexpr TernaryFormat kAllFormats[] = {TernaryFormat::kI2, TernaryFormat::kDense243,
                                         TernaryFormat::kPlanes2};

std::vector<int8_t> random_trits(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int8_t> trits(count);
  for (int8_t& trit : trits) {
    trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  }
  return trits;
}

// Trit (r, c) of a row block, read bit by bit as docs/formats/ describes it.
int trit_at(TernaryFormat format, const uint8_t* packed, size_t r, size_t c) {
  switch (format) {
    case TernaryFormat::kI2: {
      const uint8_t byte = packed[c / 16 * 64 + 4 * r + c % 4];
      return (byte >> (2 * (c % 16 / 4)) & 3) - 1;
    }
    case TernaryFormat::kDense243: {
      constexpr int kPowers[] = {1, 3, 9, 27, 81};
      const uint8_t byte = packed[c / 20 * 64 + 4 * r + c % 4];
      return byte / kPowers[c % 20 / 4] % 3 - 1;
    }
    case TernaryFormat::kPlanes2: {
      const uint8_t* tile = packed + c / 16 * 64;
      const size_t bit = 64 * (c % 16 / 4) + 4 * r + c % 4;
      const int nonzero = tile[bit / 8] >> bit % 8 & 1;
      const int negative = tile[32 + bit / 8] >> bit % 8 & 1;
      return negative != 0 ? -nonzero : nonzero;
    }
  }
  return 99;
}

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

TEST(TernaryFormat, AllDense243CodesInAllLanes) {
  std::vector<uint8_t> packed(kTileBytes);
  std::vector<int8_t> trits(kTileRows * 20);
  for (int value = 0; value < 243; ++value) {
    for (size_t i = 0; i < kTileBytes; ++i) {
      packed[i] = static_cast<uint8_t>((value + i) % 243);
    }
    format_info(TernaryFormat::kDense243).unpack_row_block(packed.data(), 20, trits.data(), 20);
    for (size_t r = 0; r < kTileRows; ++r) {
      for (size_t c = 0; c < 20; ++c) {
        ASSERT_EQ(trits[r * 20 + c], trit_at(TernaryFormat::kDense243, packed.data(), r, c));
      }
    }
    std::vector<uint8_t> again(kTileBytes);
    format_info(TernaryFormat::kDense243).pack_row_block(trits.data(), 20, 20, again.data());
    ASSERT_EQ(again, packed);
  }
}

TEST(TernaryFormat, FindsEveryInvalidByte) {
  for (int value = 0; value < 256; ++value) {
    for (size_t position : {0, 1, 63, 64, 127}) {
      std::vector<uint8_t> i2(128, 0x55);
      i2[position] = static_cast<uint8_t>(value);
      bool bad = false;
      for (int d = 0; d < 4; ++d) {
        bad |= (value >> (2 * d) & 3) == 3;
      }
      EXPECT_EQ(format_info(TernaryFormat::kI2).find_invalid(i2.data(), i2.size()),
                bad ? std::optional<size_t>(position) : std::nullopt);

      std::vector<uint8_t> dense(128, 121);
      dense[position] = static_cast<uint8_t>(value);
      EXPECT_EQ(format_info(TernaryFormat::kDense243).find_invalid(dense.data(), dense.size()),
                value > 242 ? std::optional<size_t>(position) : std::nullopt);
    }
    for (size_t position : {0, 31, 64, 95}) {
      for (int nonzero : {0x00, 0xff, 0x5a}) {
        std::vector<uint8_t> planes(128, 0);
        planes[position] = static_cast<uint8_t>(nonzero);
        planes[position + 32] = static_cast<uint8_t>(value);
        EXPECT_EQ(format_info(TernaryFormat::kPlanes2).find_invalid(planes.data(), planes.size()),
                  (value & ~nonzero) != 0 ? std::optional<size_t>(position + 32) : std::nullopt);
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

// Invalid bytes are refused by whoever loads them; repacking them must still stay inside its buffers.
TEST(TernaryFormat, RepackOfInvalidBytesStaysInBounds) {
  std::vector<uint8_t> source(row_block_bytes(TernaryFormat::kDense243, 100));
  std::iota(source.begin(), source.end(), uint8_t{0});
  std::vector<uint8_t> out(row_block_bytes(TernaryFormat::kI2, 100) + 1, 0xee);
  repack_row_block(TernaryFormat::kDense243, source.data(), TernaryFormat::kI2, 100, out.data());
  EXPECT_EQ(out.back(), 0xee);
}

TEST(Reference, SmallProductByHand) {
  const int8_t trits[] = {1, 0, -1, -1, -1, 1};
  const int8_t x[] = {5, 7, -128, 127, 0, 1};
  int64_t out[4];
  reference_ternary_matmul(trits, 2, 3, x, 2, out);
  EXPECT_THAT(out, testing::ElementsAre(133, -140, 126, -126));
}

}  // namespace
}  // namespace rotor
