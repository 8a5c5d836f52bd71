// SPDX-License-Identifier: Apache-2.0
// Short names of well-known ternary models. A name stays what it means once it is published here.
#pragma once

#include <span>
#include <string_view>

namespace rotor {

struct HubAlias {
  std::string_view alias;  // lower-case letters, digits, '-' and '.': never the form of a hub name
  std::string_view name;   // what parse_hub_name() takes
  std::string_view about;
};

std::span<const HubAlias> hub_aliases();

// The alias of that text, or null.
const HubAlias* find_hub_alias(std::string_view text);

}  // namespace rotor
