// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json_components.h"

#include <fmt/format.h>

#include "text/unicode.h"

namespace rotor {
namespace {

Result<JsonComponent> component(JsonValue value, std::string where) {
  if (!value.is_object()) {
    return format_error(where + ": expected an object");
  }
  ROTOR_ASSIGN(const auto type, json_string(value, "type", where));
  if (!type) {
    return format_error(where + ": expected a \"type\"");
  }
  return JsonComponent{value, *type, std::move(where)};
}

}  // namespace

Result<std::vector<JsonComponent>> json_components(JsonValue root, std::string_view key,
                                                   std::string_view members_key,
                                                   const std::string& source) {
  std::vector<JsonComponent> list;
  const std::optional<JsonValue> value = json_member(root, key);
  if (!value) {
    return list;
  }
  ROTOR_ASSIGN(JsonComponent whole, component(*value, fmt::format("{}: {}", source, key)));
  if (whole.type != "Sequence") {
    list.push_back(std::move(whole));
    return list;
  }
  JsonArray members;
  if (value->at_key(members_key).get(members) != simdjson::SUCCESS) {
    return format_error(fmt::format("{}.{}: expected an array", whole.where, members_key));
  }
  for (const JsonValue member : members) {
    ROTOR_ASSIGN(JsonComponent part, component(member, fmt::format("{}.{}[{}]", whole.where,
                                                                   members_key, list.size())));
    list.push_back(std::move(part));
  }
  return list;
}

Status unsupported_kind(const JsonComponent& c, std::string_view expected) {
  return unsupported(
      fmt::format("{}: unsupported kind {}; expected {}", c.where, printable(c.type), expected));
}

Result<JsonPattern> json_pattern(const JsonComponent& c) {
  const std::optional<JsonValue> pattern = json_member(c.value, "pattern");
  if (!pattern) {
    return format_error(c.where + ": expected a \"pattern\"");
  }
  ROTOR_ASSIGN(const auto regex, json_string(*pattern, "Regex", c.where));
  ROTOR_ASSIGN(const auto literal, json_string(*pattern, "String", c.where));
  if (!regex && !literal) {
    return format_error(c.where + ".pattern: expected \"Regex\" or \"String\"");
  }
  return JsonPattern{regex ? *regex : *literal, regex.has_value()};
}

}  // namespace rotor
