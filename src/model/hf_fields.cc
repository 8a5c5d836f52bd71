// SPDX-License-Identifier: Apache-2.0
#include "model/hf_fields.h"

#include <cstdint>

namespace rotor {

Result<std::optional<size_t>> optional_size(JsonValue object, std::string_view key,
                                            const std::string& name) {
  ROTOR_ASSIGN(const std::optional<int64_t> value, json_integer(object, key, name));
  if (!value) {
    return std::optional<size_t>();
  }
  if (*value < 0) {
    return format_error(name + ": '" + std::string(key) + "': expected a size, got " +
                        std::to_string(*value));
  }
  return std::optional<size_t>(static_cast<size_t>(*value));
}

Result<size_t> required_size(JsonValue object, std::string_view key, const std::string& name) {
  ROTOR_ASSIGN(const std::optional<size_t> value, optional_size(object, key, name));
  if (!value) {
    return format_error(name + ": required field '" + std::string(key) + "' is missing");
  }
  return *value;
}

Status read_number(JsonValue object, std::string_view key, const std::string& name, double& out) {
  ROTOR_ASSIGN(const std::optional<double> value, json_number(object, key, name));
  out = value.value_or(out);
  return {};
}

}  // namespace rotor
