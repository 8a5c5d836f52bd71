// SPDX-License-Identifier: Apache-2.0
// Reading JSON from files: strict parsing by simdjson's DOM with a depth limit, and typed lookups
// whose errors name the document and the key. Every element view lives as long as its document.
#pragma once

#include <rotor/status.h>
#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_value.h"

namespace rotor {

using JsonObject = simdjson::dom::object;
using JsonArray = simdjson::dom::array;

// A parsed document; owns its text.
class JsonDocument {
 public:
  // `name` appears in messages: a file path, or what the text is. kFormatError with the reason.
  // Deeper nesting than 64 is refused. Numbers of any size are accepted: integers beyond 64 bits
  // are kept as the nearest double, and what exceeds a double as the largest.
  static Result<JsonDocument> parse(std::string_view text, std::string name);

  JsonValue root() const { return root_; }
  const std::string& name() const { return name_; }

 private:
  std::unique_ptr<simdjson::dom::parser> parser_;
  JsonValue root_;
  std::string name_;
};

// Typed lookups in an object. Absent keys and null give nullopt; a value of another type is an
// error that says key, expected and found. `where` is the document's name.
Result<std::optional<int64_t>> json_integer(JsonValue object, std::string_view key,
                                            std::string_view where);
Result<std::optional<double>> json_number(JsonValue object, std::string_view key,
                                          std::string_view where);
Result<std::optional<bool>> json_bool(JsonValue object, std::string_view key,
                                      std::string_view where);
Result<std::optional<std::string>> json_string(JsonValue object, std::string_view key,
                                               std::string_view where);

// The member `key` of `object`, or nullopt when absent, null, or `object` is no object. Of several
// members of that name the last, as in Python's json, with which these files are written.
std::optional<JsonValue> json_member(JsonValue object, std::string_view key);

// Whether `object` is an object with the member `key`, be it null.
bool json_has(JsonValue object, std::string_view key);

}  // namespace rotor
