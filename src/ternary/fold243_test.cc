// SPDX-License-Identifier: Apache-2.0
// Every byte value in the fold243 layout, and what its decoder relies on.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "ternary/format.h"
#include "ternary/trits_of.h"

namespace rotor {
namespace {

constexpr size_t kCols = 20;

std::vector<uint8_t> repacked(TernaryFormat from, TernaryFormat to, uint8_t value) {
  const std::vector<uint8_t> packed(kTileBytes, value);
  std::vector<uint8_t> out(kTileBytes);
  repack_row_block(from, packed.data(), to, kCols, out.data());
  return out;
}

TEST(Fold243, EveryByteOfDense243HasOneOfItsOwn) {
  std::set<uint8_t> seen;
  for (int value = 0; value < 243; ++value) {
    const uint8_t byte = static_cast<uint8_t>(value);
    const auto folded = repacked(TernaryFormat::kDense243, TernaryFormat::kFold243, byte);
    seen.insert(folded[0]);
    EXPECT_EQ(folded, std::vector<uint8_t>(kTileBytes, folded[0]));
    EXPECT_EQ(repacked(TernaryFormat::kFold243, TernaryFormat::kDense243, folded[0])[63], byte);
  }
  EXPECT_EQ(seen.size(), 243u);
  EXPECT_EQ(*seen.rbegin(), 242);
}

// Below 192 the last digit is in the two high bits; the low six bits alone tell the others.
TEST(Fold243, DigitsAreWhereTheTablesLook) {
  for (int value = 0; value < 192; ++value) {
    const std::vector<uint8_t> packed(kTileBytes, static_cast<uint8_t>(value));
    EXPECT_EQ(trit_at(TernaryFormat::kFold243, packed.data(), 3, 17), value / 64 - 1);
    int low = 0;
    for (size_t d = 4; d-- > 0;) {
      low = 3 * low + trit_at(TernaryFormat::kFold243, packed.data(), 3, 4 * d + 1) + 1;
    }
    EXPECT_EQ(low, value % 64);
  }
}

TEST(Fold243, FindsEveryByteAbove242) {
  for (int value = 0; value < 256; ++value) {
    std::vector<uint8_t> packed(128, 121);
    packed[77] = static_cast<uint8_t>(value);
    EXPECT_EQ(format_info(TernaryFormat::kFold243).find_invalid(packed.data(), packed.size()),
              value > 242 ? std::optional<size_t>(77) : std::nullopt);
  }
}

}  // namespace
}  // namespace rotor
