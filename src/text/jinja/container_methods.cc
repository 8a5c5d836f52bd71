// SPDX-License-Identifier: Apache-2.0
// The methods of dict, list, tuple and loop that change nothing but the loop's own memory.
#include "text/jinja/access.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"

namespace rotor::jinja {
namespace {

Result<Value> dict_get(NativeCall& call) {
  ROTOR_ASSIGN(const std::string code, encode_key(call[1], call.budget()));
  const Value* found = call[0].dict().find(code);
  return found != nullptr ? *found : call.has(2) ? call[2] : Value::none();
}

Result<Value> dict_items(NativeCall& call) {
  std::vector<Value> items;
  for (const Dict::Entry& entry : call[0].dict().entries()) {
    ROTOR_ASSIGN(Value pair,
                 call.runtime().make_sequence(Sequence::Type::kTuple, {entry.key, entry.value}));
    items.push_back(std::move(pair));
  }
  return call.runtime().make_sequence(Sequence::Type::kItems, std::move(items));
}

Result<Value> dict_keys(NativeCall& call) {
  std::vector<Value> keys;
  for (const Dict::Entry& entry : call[0].dict().entries()) {
    keys.push_back(entry.key);
  }
  return call.runtime().make_sequence(Sequence::Type::kKeys, std::move(keys));
}

Result<Value> dict_values(NativeCall& call) {
  std::vector<Value> values;
  for (const Dict::Entry& entry : call[0].dict().entries()) {
    values.push_back(entry.value);
  }
  return call.runtime().make_sequence(Sequence::Type::kValues, std::move(values));
}

// Containers never change, so the copy can be the thing itself.
Result<Value> copy(NativeCall& call) { return call[0]; }

Result<Value> sequence_count(NativeCall& call) {
  int64_t count = 0;
  for (const Value& item : call[0].sequence().items) {
    ROTOR_ASSIGN(const bool same, equal(item, call[1], call.budget()));
    count += same ? 1 : 0;
  }
  return Value::integer(count);
}

Result<Value> sequence_index(NativeCall& call) {
  const std::vector<Value>& items = call[0].sequence().items;
  for (size_t i = 0; i < items.size(); ++i) {
    ROTOR_ASSIGN(const bool same, equal(items[i], call[1], call.budget()));
    if (same) {
      return Value::integer(static_cast<int64_t>(i));
    }
  }
  return call.fail("expected the value to be in the list, found none");
}

Result<Value> loop_cycle(NativeCall& call) {
  if (call.rest().empty()) {
    return call.fail("expected values to cycle through, got none");
  }
  return call.rest()[call[0].loop().index0 % call.rest().size()];
}

Result<Value> loop_changed(NativeCall& call) {
  const std::span<const Value> values = call.rest();
  ROTOR_ASSIGN(const Value now,
               call.runtime().make_sequence(Sequence::Type::kTuple,
                                            std::vector<Value>(values.begin(), values.end())));
  Loop& loop = call[0].loop();
  if (loop.last_changed) {
    ROTOR_ASSIGN(const bool same, equal(*loop.last_changed, now, call.budget()));
    if (same) {
      return Value::boolean(false);
    }
  }
  loop.last_changed = now;
  return Value::boolean(true);
}

constexpr Native kDictMethods[] = {
    {"copy", copy, "self"},          {"get", dict_get, "self key default?"},
    {"items", dict_items, "self"},   {"keys", dict_keys, "self"},
    {"values", dict_values, "self"},
};
constexpr Native kSequenceMethods[] = {
    {"copy", copy, "self"},
    {"count", sequence_count, "self value"},
    {"index", sequence_index, "self value"},
};
constexpr Native kLoopMethods[] = {
    {"changed", loop_changed, "self *"},
    {"cycle", loop_cycle, "self *"},
};
static_assert(is_sorted_by_name(kDictMethods) && is_sorted_by_name(kSequenceMethods) &&
              is_sorted_by_name(kLoopMethods));

}  // namespace

const Native* find_dict_method(std::string_view name) { return find_native(kDictMethods, name); }
const Native* find_sequence_method(std::string_view name) {
  return find_native(kSequenceMethods, name);
}
const Native* find_loop_method(std::string_view name) { return find_native(kLoopMethods, name); }

}  // namespace rotor::jinja
