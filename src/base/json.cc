// SPDX-License-Identifier: Apache-2.0
// simdjson behind Result: its error codes become messages, its types become words.
#include "base/json.h"

#include <algorithm>

namespace rotor {
namespace {

constexpr size_t kMaxDepth = 64;
// simdjson's own smallest capacity: asking for less would make it allocate again, with its own
// depth.
constexpr size_t kMinCapacity = 32;

std::string_view type_name(JsonValue value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::INT64:
      return "an integer";
    case simdjson::dom::element_type::UINT64:
      return "an integer above 2^63 - 1";
    case simdjson::dom::element_type::DOUBLE:
      return "a number with a fraction or exponent";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "true or false";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
  }
  return "nothing";
}

template <typename Wanted, typename Stored>
Result<std::optional<Wanted>> lookup(JsonValue object, std::string_view key, std::string_view where,
                                     std::string_view expected) {
  const std::optional<JsonValue> member = json_member(object, key);
  if (!member) {
    return std::optional<Wanted>();
  }
  Stored value;
  if (member->get(value) != simdjson::SUCCESS) {
    return format_error(std::string(where) + ": key \"" + std::string(key) + "\": expected " +
                        std::string(expected) + ", found " + std::string(type_name(*member)));
  }
  return std::optional<Wanted>(Wanted(value));
}

}  // namespace

Result<JsonDocument> JsonDocument::parse(std::string_view text, std::string name) {
  JsonDocument document;
  document.name_ = std::move(name);
  document.parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::error_code error =
      document.parser_->allocate(std::max(text.size(), kMinCapacity), kMaxDepth);
  if (error == simdjson::SUCCESS) {
    error = document.parser_->parse(text.data(), text.size()).get(document.root_);
  }
  if (error == simdjson::MEMALLOC) {
    return out_of_memory(document.name_ + ": no memory to parse " + std::to_string(text.size()) +
                         " bytes of JSON");
  }
  if (error != simdjson::SUCCESS) {
    return format_error(document.name_ + ": not valid JSON (" + std::to_string(text.size()) +
                        " bytes): " + simdjson::error_message(error));
  }
  return document;
}

std::optional<JsonValue> json_member(JsonValue object, std::string_view key) {
  JsonObject members;
  if (object.get_object().get(members) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  std::optional<JsonValue> found;
  for (const auto& member : members) {
    if (member.key == key) {
      found = member.value;
    }
  }
  return found && !found->is_null() ? found : std::nullopt;
}

Result<std::optional<int64_t>> json_integer(JsonValue object, std::string_view key,
                                            std::string_view where) {
  return lookup<int64_t, int64_t>(object, key, where, "an integer");
}

Result<std::optional<double>> json_number(JsonValue object, std::string_view key,
                                          std::string_view where) {
  return lookup<double, double>(object, key, where, "a number");
}

Result<std::optional<bool>> json_bool(JsonValue object, std::string_view key,
                                      std::string_view where) {
  return lookup<bool, bool>(object, key, where, "true or false");
}

Result<std::optional<std::string>> json_string(JsonValue object, std::string_view key,
                                               std::string_view where) {
  return lookup<std::string, std::string_view>(object, key, where, "a string");
}

}  // namespace rotor
