// SPDX-License-Identifier: Apache-2.0
// Fields of a config.json: `key` of the object, `name` the file's path for messages. kFormatError, naming both,
// for a value of another type.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace rotor {

// A non-negative integer, or nothing where the field is absent or null.
Result<std::optional<size_t>> optional_size(JsonValue object, std::string_view key,
                                            const std::string& name);
Result<size_t> required_size(JsonValue object, std::string_view key, const std::string& name);

// `out` stays as it is where the field is absent or null.
Status read_number(JsonValue object, std::string_view key, const std::string& name, double& out);

}  // namespace rotor
