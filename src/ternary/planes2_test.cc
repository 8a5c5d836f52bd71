// SPDX-License-Identifier: Apache-2.0
// Signs without a value in the planes2 layout.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "ternary/format.h"

namespace rotor {
namespace {

TEST(Planes2, FindsEverySignWithoutValue) {
  for (int value = 0; value < 256; ++value) {
    for (size_t position : {0, 31, 64, 95}) {
      for (int nonzero : {0x00, 0xff, 0x5a}) {
        std::vector<uint8_t> packed(128, 0);
        packed[position] = static_cast<uint8_t>(nonzero);
        packed[position + 32] = static_cast<uint8_t>(value);
        EXPECT_EQ(format_info(TernaryFormat::kPlanes2).find_invalid(packed.data(), packed.size()),
                  (value & ~nonzero) != 0 ? std::optional<size_t>(position + 32) : std::nullopt);
      }
    }
  }
}

}  // namespace
}  // namespace rotor
