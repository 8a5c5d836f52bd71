// SPDX-License-Identifier: Apache-2.0
// The parts of values that look inside them.
#include "text/jinja/value.h"

#include <algorithm>

namespace rotor::jinja {

Text* Value::exclusive_text() {
  if (!is(Kind::kText) || text_ref().use_count() != 1) {
    return nullptr;
  }
  // Every Text is created non-const by make_shared, and nobody else can see this one.
  return const_cast<Text*>(text_ref().get());
}

const Value* Dict::find(std::string_view code) const {
  const auto found = index_.find(code);
  return found == index_.end() ? nullptr : &entries_[found->second].value;
}

void Dict::set(std::string code, Value key, Value value) {
  nesting_ = std::max({nesting_, 1 + nesting_of(key), 1 + nesting_of(value)});
  const auto [found, inserted] = index_.try_emplace(std::move(code), entries_.size());
  if (inserted) {
    entries_.push_back({std::move(key), std::move(value)});
  } else {
    entries_[found->second].value = std::move(value);
  }
}

uint32_t nesting_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kSequence:
      return value.sequence().nesting;
    case Kind::kDict:
      return value.dict().nesting();
    case Kind::kMethod:
      return 1 + nesting_of(value.method().self);
    default:
      return 0;
  }
}

std::string_view type_name(const Value& value) {
  static constexpr std::string_view kNames[] = {
      "undefined", "None",      "bool", "int",   "float",    "str",   "list",
      "dict",      "namespace", "loop", "macro", "function", "method"};
  static constexpr std::string_view kSequenceNames[] = {
      "list", "tuple", "range", "generator", "dict_keys", "dict_values", "dict_items"};
  if (value.is(Kind::kSequence)) {
    return kSequenceNames[static_cast<size_t>(value.sequence().type)];
  }
  return kNames[static_cast<size_t>(value.kind())];
}

}  // namespace rotor::jinja
