// SPDX-License-Identifier: Apache-2.0
// 2-bit codes: every byte at every shift, and code 3 found at every place.
#include "io/codes.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace rotor {
namespace {

TEST(Codes, UnpackEveryByte) {
  std::vector<uint8_t> bytes(256);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  for (unsigned shift = 0; shift < 8; shift += 2) {
    std::vector<int8_t> trits(256);
    unpack_codes(bytes.data(), bytes.size(), shift, trits.data());
    for (int byte = 0; byte < 256; ++byte) {
      ASSERT_EQ(trits[static_cast<size_t>(byte)], (byte >> shift) % 4 - 1);
    }
  }
}

TEST(Codes, FindsTheFirstCode3) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool has = byte % 4 == 3 || byte / 4 % 4 == 3 || byte / 16 % 4 == 3 || byte / 64 == 3;
    const auto value = static_cast<uint8_t>(byte);
    ASSERT_EQ(find_code_3(&value, 1).has_value(), has) << byte;
  }
  for (const size_t place : {0u, 1u, 4095u, 4096u, 9999u}) {
    std::vector<uint8_t> bytes(10'000, 0x96);
    bytes[place] = 0x0c;
    bytes.back() = 0xff;
    EXPECT_EQ(find_code_3(bytes.data(), bytes.size()), place);
  }
  EXPECT_EQ(find_code_3(nullptr, 0), std::nullopt);
}

}  // namespace
}  // namespace rotor
