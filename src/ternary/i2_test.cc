// SPDX-License-Identifier: Apache-2.0
// Every byte value in the i2 layout.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "ternary/format.h"

namespace rotor {
namespace {

TEST(I2, FindsEveryByteWithCode3) {
  for (int value = 0; value < 256; ++value) {
    bool bad = false;
    for (int d = 0; d < 4; ++d) {
      bad |= (value >> (2 * d) & 3) == 3;
    }
    for (size_t position : {0, 1, 63, 64, 127}) {
      std::vector<uint8_t> packed(128, 0x55);
      packed[position] = static_cast<uint8_t>(value);
      EXPECT_EQ(format_info(TernaryFormat::kI2).find_invalid(packed.data(), packed.size()),
                bad ? std::optional<size_t>(position) : std::nullopt);
    }
  }
}

}  // namespace
}  // namespace rotor
