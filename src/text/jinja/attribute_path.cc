// SPDX-License-Identifier: Apache-2.0
// Attribute paths.
#include "text/jinja/attribute_path.h"

#include "text/jinja/access.h"
#include "text/jinja/numbers.h"
#include "text/jinja/text_operations.h"

namespace rotor::jinja {

Result<AttributePath> AttributePath::parse(const Value& attribute, Budget& budget) {
  AttributePath path;
  if (!attribute.is(Kind::kText)) {
    path.parts_.push_back(attribute);
    return path;
  }
  const Text dot(".", true);
  ROTOR_ASSIGN(std::vector<Text> parts, split(attribute.text(), &dot, -1, Side::kLeft, budget));
  for (Text& part : parts) {
    const bool is_index =
        !part.empty() && part.bytes().find_first_not_of("0123456789") == std::string_view::npos;
    const auto index = is_index ? parse_integer(part.bytes(), 10) : std::nullopt;
    path.parts_.push_back(index ? Value::integer(*index) : Value::text(std::move(part)));
  }
  return path;
}

Result<AttributePath> AttributePath::parse(NativeCall& call, size_t i) {
  if (!call.has(i) || call[i].is(Kind::kNone)) {
    return AttributePath();
  }
  return parse(call[i], call.budget());
}

Result<std::vector<AttributePath>> AttributePath::parse_several(NativeCall& call, size_t i) {
  std::vector<AttributePath> paths;
  if (!call.has(i) || !call[i].is(Kind::kText)) {
    ROTOR_ASSIGN(AttributePath path, parse(call, i));
    paths.push_back(std::move(path));
    return paths;
  }
  const Text comma(",", true);
  ROTOR_ASSIGN(std::vector<Text> names,
               split(call[i].text(), &comma, -1, Side::kLeft, call.budget()));
  for (Text& name : names) {
    ROTOR_ASSIGN(AttributePath path, parse(Value::text(std::move(name)), call.budget()));
    paths.push_back(std::move(path));
  }
  return paths;
}

Result<Value> AttributePath::get(Value element, Runtime& runtime, const Value* fallback) const {
  for (const Value& part : parts_) {
    ROTOR_TRY(runtime.budget().step());
    ROTOR_ASSIGN(element, get_item(element, part, nullptr, runtime));
    if (fallback != nullptr && element.is(Kind::kUndefined)) {
      element = *fallback;
    }
  }
  return element;
}

}  // namespace rotor::jinja
