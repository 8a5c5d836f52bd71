// SPDX-License-Identifier: Apache-2.0
// The portable exp and ln stay within their stated error of the C library's long double functions.
#include "base/exp_log.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rotor {
namespace {

double relative_error(double got, long double want) {
  return static_cast<double>(std::fabs((got - want) / want));
}

TEST(ExpLog, ExpStaysWithinItsErrorOverItsRange) {
  double worst = 0;
  for (double x = -700; x <= 709; x += 0.00390613) {
    worst = std::max(worst, relative_error(portable_exp(x), std::exp(static_cast<long double>(x))));
  }
  for (double x = -1; x <= 1; x += 0.0000117) {
    worst = std::max(worst, relative_error(portable_exp(x), std::exp(static_cast<long double>(x))));
  }
  EXPECT_LT(worst, 0x1p-51);
}

TEST(ExpLog, ExpIsExactWhereItMatters) {
  EXPECT_EQ(portable_exp(0.0), 1.0);
  EXPECT_EQ(portable_exp(-0.0), 1.0);
  EXPECT_EQ(portable_exp(-701.0), 0.0);
  EXPECT_EQ(portable_exp(-std::numeric_limits<double>::infinity()), 0.0);
}

TEST(ExpLog, LogStaysWithinItsErrorAlsoNearOne) {
  double worst = 0;
  for (double x = 0x1p-1022; x < 0x1p1023; x *= 1.0703) {
    worst = std::max(worst, relative_error(portable_log(x), std::log(static_cast<long double>(x))));
  }
  for (double x = 0.5; x < 2.0; x += 0.00001173) {
    worst = std::max(worst, relative_error(portable_log(x), std::log(static_cast<long double>(x))));
  }
  for (double below = 0x1p-53; below < 0.25; below *= 1.5) {
    const double x = 1.0 - below;
    worst = std::max(worst, relative_error(portable_log(x), std::log(static_cast<long double>(x))));
  }
  EXPECT_LT(worst, 0x1p-50);
  EXPECT_EQ(portable_log(1.0), 0.0);
}

// Frozen bits: another compiler or machine must give the same.
TEST(ExpLog, BitsAreFrozen) {
  EXPECT_EQ(portable_exp(-12.3456789), 0x1.23d2b6a3ae568p-18);
  EXPECT_EQ(portable_exp(0.1), 0x1.1aec7b35a00d4p+0);
  EXPECT_EQ(portable_log(0.1), -0x1.26bb1bbb55515p+1);
  EXPECT_EQ(portable_log(123456.789), 0x1.77281cad8a844p+3);
}

}  // namespace
}  // namespace rotor
