// SPDX-License-Identifier: Apache-2.0
#include "model/not_finite.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace rotor {
namespace {

template <typename T>
void expect_found(FloatType type, T largest, T infinity, T nan) {
  std::vector<T> numbers(300, largest);
  const auto found = [&] { return first_not_finite(type, std::as_bytes(std::span(numbers))); };
  EXPECT_EQ(found(), 300u);
  for (const size_t at : {299, 17, 0}) {
    for (const T bad : {infinity, nan}) {
      numbers[at] = bad;
      EXPECT_EQ(found(), at);
    }
  }
  numbers.clear();
  EXPECT_EQ(found(), 0u);
}

TEST(NotFinite, FirstOfEachType) {
  expect_found<uint32_t>(FloatType::kF32, 0xff7fffffu, 0xff800000u, 0x7f800001u);
  expect_found<uint16_t>(FloatType::kF16, 0xfbffu, 0x7c00u, 0xfe00u);
  expect_found<uint16_t>(FloatType::kBf16, 0x7f7fu, 0xff80u, 0x7fc0u);
}

}  // namespace
}  // namespace rotor
