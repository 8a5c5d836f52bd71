// SPDX-License-Identifier: Apache-2.0
// The noise: its bound holds for all kinds of bits, its range is as stated, its moments are
// Gumbel's.
#include "model/gumbel.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rotor {
namespace {

TEST(Gumbel, TheBoundHoldsAndIsNotUseless) {
  for (int zeros = 0; zeros <= 64; ++zeros) {
    const uint64_t top = zeros == 64 ? 0 : ~uint64_t{0} >> zeros;
    for (const uint64_t bits : {top, top & ~(top >> 1), top - top / 3}) {
      EXPECT_LE(gumbel_from_bits(bits), gumbel_bound(bits)) << std::hex << bits;
    }
  }
  EXPECT_LT(gumbel_bound(~uint64_t{0}), 0.694);
}

TEST(Gumbel, TheRangeIsFinite) {
  EXPECT_NEAR(gumbel_from_bits(0), 36.7368, 1e-4);
  EXPECT_NEAR(gumbel_from_bits(~uint64_t{0}), -3.6038, 1e-4);
}

TEST(Gumbel, EveryPartOfTheKeyCounts) {
  const uint64_t bits = gumbel_bits({1, 2, 3}, 4);
  EXPECT_EQ(bits, gumbel_bits({1, 2, 3}, 4));
  EXPECT_NE(bits, gumbel_bits({2, 2, 3}, 4));
  EXPECT_NE(bits, gumbel_bits({uint64_t{1} << 32 | 1, 2, 3}, 4));
  EXPECT_NE(bits, gumbel_bits({1, 3, 3}, 4));
  EXPECT_NE(bits, gumbel_bits({1, 2, 4}, 4));
  EXPECT_NE(bits, gumbel_bits({1, 2, 3}, 5));
}

TEST(Gumbel, MeanAndVarianceAreThoseOfTheDistribution) {
  constexpr int kDraws = 1'000'000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double g = gumbel_from_bits(gumbel_bits({42, 0, static_cast<uint32_t>(i)}, 7));
    sum += g;
    squares += g * g;
  }
  const double mean = sum / kDraws;
  const double variance = squares / kDraws - mean * mean;
  constexpr double kEulerGamma = 0.57721566490153286;
  constexpr double kVariance = M_PI * M_PI / 6;
  EXPECT_NEAR(mean, kEulerGamma, 4 * std::sqrt(kVariance / kDraws));
  EXPECT_NEAR(variance, kVariance, 4 * kVariance * std::sqrt(4.4 / kDraws));  // kurtosis 5.4
}

}  // namespace
}  // namespace rotor
