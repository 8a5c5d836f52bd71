// SPDX-License-Identifier: Apache-2.0
// The parts of a tokenizer.json's pipeline: objects with a "type", alone or in a "Sequence". A
// sequence may hold only plain components, so there is nothing to recurse into.
#pragma once

#include <rotor/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace rotor {

struct JsonComponent {
  JsonValue value;
  std::string type;
  std::string where;  // "<file>: pre_tokenizer.pretokenizers[1]"
};

// The components of root[key]: none when absent or null, the members of a Sequence, or itself.
Result<std::vector<JsonComponent>> json_components(JsonValue root, std::string_view key,
                                                   std::string_view members_key,
                                                   const std::string& source);

// "<where>: unsupported kind <type>; expected <expected>"
Status unsupported_kind(const JsonComponent& c, std::string_view expected);

// The "pattern" of a component: {"String": "..."} or {"Regex": "..."}.
struct JsonPattern {
  std::string text;
  bool is_regex = false;
};
Result<JsonPattern> json_pattern(const JsonComponent& c);

}  // namespace rotor
