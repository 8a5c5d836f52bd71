// SPDX-License-Identifier: Apache-2.0
// Conversions against their definition: the nearest representable value, ties to the even pattern.
#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace rotor {
namespace {

// The value of a finite binary16 pattern by the standard's formula.
double f16_value(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24)
                                         : std::ldexp(1024 + fraction, exponent - 25);
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, EveryF16PatternHasItsValueAndComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const float value = f16_to_float(half);
    if ((half & 0x7c00) == 0x7c00) {
      EXPECT_EQ(std::isnan(value), (half & 0x3ff) != 0);
      EXPECT_EQ(std::isinf(value), (half & 0x3ff) == 0);
    } else {
      ASSERT_EQ(value, f16_value(half));
    }
    EXPECT_EQ(std::signbit(value), (half & 0x8000) != 0);
    if (!std::isnan(value)) {
      ASSERT_EQ(float_to_f16(value), half);
    }
  }
}

// For each pair of neighbours: their middle and the floats beside it.
TEST(Half, F16RoundsToNearestEven) {
  for (uint16_t half = 0; half < 0x7c00; ++half) {
    const double below = f16_value(half);
    const double above = half == 0x7bff ? 65536.0 : f16_value(static_cast<uint16_t>(half + 1));
    const float middle = static_cast<float>((below + above) / 2);  // exact
    const uint16_t next = static_cast<uint16_t>(half + 1);
    const uint16_t even = (half & 1) == 0 ? half : next;
    ASSERT_EQ(float_to_f16(middle), even);
    ASSERT_EQ(float_to_f16(std::nextafterf(middle, 0)), half);
    ASSERT_EQ(float_to_f16(std::nextafterf(middle, 1e9f)), next);
    ASSERT_EQ(float_to_f16(-middle), even | 0x8000);
  }
}

TEST(Half, F16Specials) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(float_to_f16(infinity), 0x7c00);
  EXPECT_EQ(float_to_f16(-infinity), 0xfc00);
  EXPECT_EQ(float_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(float_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_f16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(float_to_f16(-0.0f), 0x8000);
  EXPECT_TRUE(std::isnan(f16_to_float(float_to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Half, Bf16RoundsToNearestEven) {
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const uint16_t next = static_cast<uint16_t>(half + 1);
    const float value = bf16_to_float(half);
    const float middle = std::bit_cast<float>((bits << 16) + 0x8000u);
    ASSERT_EQ(float_to_bf16(value), half);
    ASSERT_EQ(float_to_bf16(middle), (half & 1) == 0 ? half : next);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>((bits << 16) + 0x7fffu)), half);
    ASSERT_EQ(float_to_bf16(std::bit_cast<float>((bits << 16) + 0x8001u)), next);
    ASSERT_EQ(float_to_bf16(-value), half | 0x8000);
  }
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

// Products of two binary16 values are exact in binary32: what lets kernels fuse them freely.
TEST(Half, ProductsOfF16AreExact) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000000; ++i) {
    const float a = f16_to_float(static_cast<uint16_t>(random() & 0xfbff));
    const float b = f16_to_float(static_cast<uint16_t>(random() & 0xfbff));
    if (std::isfinite(a) && std::isfinite(b)) {
      ASSERT_EQ(static_cast<double>(a * b), static_cast<double>(a) * static_cast<double>(b));
    }
  }
}

}  // namespace
}  // namespace rotor
