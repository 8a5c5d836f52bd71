// SPDX-License-Identifier: Apache-2.0
// Every byte value in the dense243 layout.
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <vector>

#include "ternary/format.h"
#include "ternary/trits_of.h"

namespace rotor {
namespace {

TEST(Dense243, AllCodesInAllLanes) {
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

TEST(Dense243, FindsEveryByteAbove242) {
  for (int value = 0; value < 256; ++value) {
    for (size_t position : {0, 1, 63, 64, 127}) {
      std::vector<uint8_t> packed(128, 121);
      packed[position] = static_cast<uint8_t>(value);
      EXPECT_EQ(format_info(TernaryFormat::kDense243).find_invalid(packed.data(), packed.size()),
                value > 242 ? std::optional<size_t>(position) : std::nullopt);
    }
  }
}

// Invalid bytes are refused by whoever loads them; repacking them must still stay inside its buffers.
TEST(Dense243, RepackOfInvalidBytesStaysInBounds) {
  std::vector<uint8_t> source(row_block_bytes(TernaryFormat::kDense243, 100));
  std::iota(source.begin(), source.end(), uint8_t{0});
  std::vector<uint8_t> out(row_block_bytes(TernaryFormat::kI2, 100) + 1, 0xee);
  repack_row_block(TernaryFormat::kDense243, source.data(), TernaryFormat::kI2, 100, out.data());
  EXPECT_EQ(out.back(), 0xee);
}

}  // namespace
}  // namespace rotor
