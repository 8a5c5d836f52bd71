// SPDX-License-Identifier: Apache-2.0
#include "hub/hub_aliases.h"

#include <gtest/gtest.h>

#include <set>

#include "hub/hub_name.h"

namespace rotor {
namespace {

TEST(HubAliases, EachIsANameAndNoneIsTwice) {
  std::set<std::string_view> seen;
  for (const HubAlias& alias : hub_aliases()) {
    EXPECT_TRUE(seen.insert(alias.alias).second) << alias.alias;
    EXPECT_TRUE(parse_hub_name(alias.name).ok()) << alias.name;
    EXPECT_TRUE(is_hub_name(alias.name)) << alias.name;
    EXPECT_FALSE(is_hub_name(alias.alias)) << alias.alias;
    EXPECT_EQ(alias.alias.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-"),
              std::string_view::npos);
    EXPECT_FALSE(alias.about.empty());
  }
}

TEST(HubAliases, Find) {
  ASSERT_NE(find_hub_alias("bitnet-2b-4t"), nullptr);
  EXPECT_EQ(find_hub_alias("bitnet-2b-4t")->name, "microsoft/bitnet-b1.58-2B-4T");
  EXPECT_EQ(find_hub_alias("BITNET-2B-4T"), nullptr);
  EXPECT_EQ(find_hub_alias(""), nullptr);
}

}  // namespace
}  // namespace rotor
