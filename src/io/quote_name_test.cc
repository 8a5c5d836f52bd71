// SPDX-License-Identifier: Apache-2.0
// Names with control characters, quotes, and no end.
#include "io/quote_name.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(QuoteName, EscapesAndCuts) {
  EXPECT_EQ(quote_name("blk.0.w"), "\"blk.0.w\"");
  EXPECT_EQ(quote_name("a\"\n\x1b\xff"), "\"a\\x22\\x0a\\x1b\\xff\"");
  EXPECT_EQ(quote_name(std::string(200, 'x')), "\"" + std::string(100, 'x') + "\"... (200 bytes)");
}

}  // namespace
}  // namespace rotor
