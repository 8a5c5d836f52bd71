// SPDX-License-Identifier: Apache-2.0
// JSON and messages to values.
#include "text/jinja/context.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/json.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

Result<Value> convert(JsonValue json, uint32_t depth);

Value make_list(std::vector<Value> items) {
  auto list = std::make_shared<Sequence>();
  for (const Value& item : items) {
    list->nesting = std::max(list->nesting, 1 + nesting_of(item));
  }
  list->items = std::move(items);
  return Value(Value::Data(SequenceRef(std::move(list))));
}

Value make_dict(Dict dict) {
  return Value(Value::Data(DictRef(std::make_shared<const Dict>(std::move(dict)))));
}

Result<Dict> convert_object(JsonObject object, uint32_t depth) {
  Dict dict;
  for (const auto field : object) {
    ROTOR_ASSIGN(Value value, convert(field.value, depth + 1));
    dict.set(std::string(field.key), Value::text(field.key, false), std::move(value));
  }
  return dict;
}

// `depth` stays below kMaxNesting, which bounds the recursion.
Result<Value> convert(JsonValue json, uint32_t depth) {
  if (depth >= kMaxNesting) {
    return format_error("expected a context nested at most " + std::to_string(kMaxNesting) +
                        " deep, got a deeper one");
  }
  switch (json.type()) {
    case simdjson::dom::element_type::NULL_VALUE:
      return Value::none();
    case simdjson::dom::element_type::BOOL:
      return Value::boolean(bool(json));
    case simdjson::dom::element_type::INT64:
      return Value::integer(int64_t(json));
    case simdjson::dom::element_type::DOUBLE:
      return Value::real(double(json));
    case simdjson::dom::element_type::STRING:
      return Value::text(std::string_view(json), false);
    case simdjson::dom::element_type::OBJECT: {
      ROTOR_ASSIGN(Dict dict, convert_object(JsonObject(json), depth));
      return make_dict(std::move(dict));
    }
    case simdjson::dom::element_type::ARRAY: {
      std::vector<Value> items;
      for (const JsonValue element : JsonArray(json)) {
        ROTOR_ASSIGN(Value item, convert(element, depth + 1));
        items.push_back(std::move(item));
      }
      return make_list(std::move(items));
    }
    case simdjson::dom::element_type::UINT64:
      break;
  }
  return format_error("expected integers of 64 bits with sign in the context, got a larger one");
}

Result<Value> convert_text(const std::string& text, std::string_view what) {
  if (valid_utf8_prefix(text) != text.size()) {
    return format_error("expected the " + std::string(what) + " of a message in UTF-8, got " +
                        printable(text));
  }
  return Value::text(text, false);
}

}  // namespace

Result<Dict> variables_from_json(JsonValue context) {
  if (!context.is_object()) {
    return format_error("expected a JSON object as the context of a chat template");
  }
  return convert_object(JsonObject(context), 0);
}

Result<Dict> variables_from_messages(std::span<const ChatMessage> messages,
                                     bool add_generation_prompt) {
  std::vector<Value> list;
  for (const ChatMessage& message : messages) {
    Dict dict;
    ROTOR_ASSIGN(Value role, convert_text(message.role, "role"));
    ROTOR_ASSIGN(Value content, convert_text(message.content, "content"));
    dict.set("role", Value::text("role", false), std::move(role));
    dict.set("content", Value::text("content", false), std::move(content));
    list.push_back(make_dict(std::move(dict)));
  }
  Dict variables;
  variables.set("messages", Value::text("messages", false), make_list(std::move(list)));
  variables.set("add_generation_prompt", Value::text("add_generation_prompt", false),
                Value::boolean(add_generation_prompt));
  return variables;
}

}  // namespace rotor::jinja
