// SPDX-License-Identifier: Apache-2.0
// Looking into values.
#include "text/jinja/access.h"

#include <algorithm>
#include <array>
#include <string>

#include "text/jinja/characters.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

// Attributes that Python has and the sandbox hides: they shadow items of the same name.
bool is_hidden_dict_attribute(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kHidden = {"clear",      "pop",    "popitem",
                                                              "setdefault", "update", "fromkeys"};
  return std::find(kHidden.begin(), kHidden.end(), name) != kHidden.end();
}

Result<Value> loop_attribute(const Value& object, std::string_view name, const Expr* origin,
                             Runtime& runtime) {
  const Loop& loop = object.loop();
  const auto index0 = static_cast<int64_t>(loop.index0);
  const auto size = static_cast<int64_t>(loop.items->items.size());
  if (name == "index") return Value::integer(index0 + 1);
  if (name == "index0") return Value::integer(index0);
  if (name == "revindex") return Value::integer(size - index0);
  if (name == "revindex0") return Value::integer(size - index0 - 1);
  if (name == "first") return Value::boolean(index0 == 0);
  if (name == "last") return Value::boolean(index0 + 1 >= size);
  if (name == "length") return Value::integer(size);
  if (name == "depth") return Value::integer(1);
  if (name == "depth0") return Value::integer(0);
  if (name == "previtem" && index0 > 0) return loop.items->items[loop.index0 - 1];
  if (name == "nextitem" && index0 + 1 < size) return loop.items->items[loop.index0 + 1];
  if (const Native* native = find_loop_method(name)) return runtime.make_method(object, native);
  return Value::undefined(origin);
}

// The method or attribute alone, without items.
Result<Value> plain_attribute(const Value& object, std::string_view name, const Expr* origin,
                              Runtime& runtime) {
  const Native* method = nullptr;
  switch (object.kind()) {
    case Kind::kText:
      method = find_text_method(name);
      break;
    case Kind::kDict:
      method = find_dict_method(name);
      break;
    case Kind::kSequence:
      method = object.sequence().is_indexable() ? find_sequence_method(name) : nullptr;
      break;
    case Kind::kLoop:
      return loop_attribute(object, name, origin, runtime);
    case Kind::kNamespace: {
      const Value* found = object.name_space().attributes.find(name);
      return found != nullptr ? *found : Value::undefined(origin);
    }
    default:
      break;
  }
  return method != nullptr ? runtime.make_method(object, method)
                           : Result<Value>(Value::undefined(origin));
}

Result<Value> character_at(const Value& object, int64_t index, const Expr* origin,
                           Runtime& runtime) {
  const Text& text = object.text();
  ROTOR_TRY(runtime.budget().transform(text.size()));
  if (index < 0) {
    index += static_cast<int64_t>(count_characters(text.bytes()));
  }
  if (index < 0) {
    return Value::undefined(origin);
  }
  const size_t begin = character_offset(text.bytes(), static_cast<size_t>(index));
  if (begin == text.size()) {
    return Value::undefined(origin);
  }
  return runtime.make_text(text.slice(begin, begin + decode_utf8(text.bytes(), begin).length));
}

// The item alone; nullopt when there is none, and Jinja2 goes on to attributes.
Result<std::optional<Value>> plain_item(const Value& object, const Value& key, const Expr* origin,
                                        Runtime& runtime) {
  using Found = std::optional<Value>;
  if (object.is(Kind::kDict)) {
    const Result<std::string> code = encode_key(key, runtime.budget());
    const Value* found = code.ok() ? object.dict().find(*code) : nullptr;
    return found != nullptr ? Found(*found) : Found();
  }
  if (!key.is_integer()) {
    return Found();
  }
  if (object.is(Kind::kText)) {
    ROTOR_ASSIGN(Value character, character_at(object, key.integer(), origin, runtime));
    return Found(std::move(character));
  }
  if (!object.is(Kind::kSequence) || !object.sequence().is_indexable()) {
    return Found();
  }
  const std::vector<Value>& items = object.sequence().items;
  const auto size = static_cast<int64_t>(items.size());
  const int64_t index = key.integer() + (key.integer() < 0 ? size : 0);
  return index >= 0 && index < size ? Found(items[static_cast<size_t>(index)]) : Found();
}

struct Slice {
  int64_t start;
  int64_t step;
  int64_t count;
};

Result<int64_t> slice_bound(const Value& bound, int64_t fallback, int64_t size, int64_t step) {
  if (bound.is(Kind::kNone)) {
    return fallback;
  }
  if (!bound.is_integer()) {
    return format_error("expected int or None as the bound of a slice, got " +
                        std::string(type_name(bound)));
  }
  const int64_t lowest = step < 0 ? -1 : 0;
  const int64_t highest = step < 0 ? size - 1 : size;
  const int64_t value = bound.integer();
  return std::clamp(value < 0 ? std::max(value, -size - 1) + size : value, lowest, highest);
}

// As Python's slice.indices(size).
Result<Slice> resolve_slice(int64_t size, const Value& start, const Value& stop,
                            const Value& step) {
  if (!step.is(Kind::kNone) && (!step.is_integer() || step.integer() == 0)) {
    return format_error("expected an int other than 0 as the step of a slice");
  }
  // A step beyond the size visits one element whatever it is; the clamp keeps the sums small.
  const int64_t by = step.is(Kind::kNone) ? 1 : std::clamp(step.integer(), -size - 1, size + 1);
  ROTOR_ASSIGN(const int64_t from, slice_bound(start, by < 0 ? size - 1 : 0, size, by));
  ROTOR_ASSIGN(const int64_t to, slice_bound(stop, by < 0 ? -1 : size, size, by));
  const int64_t distance = by < 0 ? from - to : to - from;
  const int64_t stride = by < 0 ? -by : by;
  return Slice{from, by, distance <= 0 ? 0 : (distance + stride - 1) / stride};
}

Result<Value> slice_text(const Text& text, const Slice& slice, Runtime& runtime) {
  const std::string_view bytes = text.bytes();
  if (slice.step == 1) {
    const size_t begin = character_offset(bytes, static_cast<size_t>(slice.start));
    const size_t end =
        begin + character_offset(bytes.substr(begin), static_cast<size_t>(slice.count));
    return runtime.make_text(text.slice(begin, end));
  }
  struct Character {
    size_t begin;
    size_t length;
    bool from_template;
  };
  ROTOR_TRY(runtime.budget().allocate(bytes.size() * sizeof(Character)));
  std::vector<Character> characters;
  TextReader reader(text);
  while (!reader.at_end()) {
    const size_t length = decode_utf8(bytes, reader.position()).length;
    characters.push_back({reader.position(), length, reader.from_template()});
    reader.skip(length);
  }
  Text out;
  int64_t at = slice.start;
  for (int64_t i = 0; i < slice.count; ++i, at += slice.step) {
    const Character& c = characters[static_cast<size_t>(at)];
    out.append(bytes.substr(c.begin, c.length), c.from_template);
  }
  return runtime.make_text(std::move(out));
}

Result<SequenceRef> list_characters(const Text& text, Runtime& runtime) {
  ROTOR_TRY(runtime.budget().step(text.size()));
  std::vector<Value> items;
  TextReader reader(text);
  while (!reader.at_end()) {
    Text character;
    reader.copy(decode_utf8(text.bytes(), reader.position()).length, character);
    ROTOR_ASSIGN(Value item, runtime.make_text(std::move(character)));
    items.push_back(std::move(item));
  }
  ROTOR_ASSIGN(const Value list, runtime.make_sequence(Sequence::Type::kList, std::move(items)));
  return list.sequence_ref();
}

}  // namespace

Status undefined_error(const Expr* origin) {
  if (origin == nullptr) {
    return format_error("expected a value, got an undefined one");
  }
  const std::string name = origin->name.empty() ? "a value" : printable(origin->name);
  return format_error("expected " + name + " to be defined, got nothing of that name");
}

Result<Value> get_attribute(const Value& object, std::string_view name, const Expr* origin,
                            Runtime& runtime) {
  if (object.is(Kind::kUndefined)) {
    return undefined_error(object.origin());
  }
  if (name.starts_with("__")) {
    return Value::undefined(origin);
  }
  ROTOR_ASSIGN(Value attribute, plain_attribute(object, name, origin, runtime));
  if (!object.is(Kind::kDict) || !attribute.is(Kind::kUndefined) ||
      is_hidden_dict_attribute(name)) {
    return attribute;
  }
  const Value* found = object.dict().find(name);
  return found != nullptr ? *found : std::move(attribute);
}

Result<Value> get_item(const Value& object, const Value& key, const Expr* origin,
                       Runtime& runtime) {
  if (object.is(Kind::kUndefined)) {
    return undefined_error(object.origin());
  }
  ROTOR_ASSIGN(std::optional<Value> item, plain_item(object, key, origin, runtime));
  if (item) {
    return *std::move(item);
  }
  if (!key.is(Kind::kText) || key.bytes().starts_with("__")) {
    return Value::undefined(origin);
  }
  return plain_attribute(object, key.bytes(), origin, runtime);
}

Result<Value> get_slice(const Value& object, const Value& start, const Value& stop,
                        const Value& step, Runtime& runtime) {
  if (object.is(Kind::kUndefined)) {
    return undefined_error(object.origin());
  }
  if (object.is(Kind::kText)) {
    ROTOR_TRY(runtime.budget().transform(object.text().size()));
    const auto size = static_cast<int64_t>(count_characters(object.bytes()));
    ROTOR_ASSIGN(const Slice slice, resolve_slice(size, start, stop, step));
    return slice_text(object.text(), slice, runtime);
  }
  if (!object.is(Kind::kSequence) || !object.sequence().is_indexable()) {
    return format_error("expected str, list or tuple to slice, got " +
                        std::string(type_name(object)));
  }
  const Sequence& sequence = object.sequence();
  const auto size = static_cast<int64_t>(sequence.items.size());
  ROTOR_ASSIGN(const Slice slice, resolve_slice(size, start, stop, step));
  ROTOR_TRY(runtime.budget().step(static_cast<uint64_t>(slice.count)));
  std::vector<Value> items;
  int64_t at = slice.start;
  for (int64_t i = 0; i < slice.count; ++i, at += slice.step) {
    items.push_back(sequence.items[static_cast<size_t>(at)]);
  }
  return runtime.make_sequence(sequence.type, std::move(items));
}

Result<SequenceRef> iterate(const Value& value, Runtime& runtime) {
  switch (value.kind()) {
    case Kind::kSequence: {
      const Sequence& sequence = value.sequence();
      if (sequence.is_generator() && std::exchange(sequence.consumed, true)) {
        return SequenceRef(std::make_shared<Sequence>());
      }
      return value.sequence_ref();
    }
    case Kind::kUndefined:
      return SequenceRef(std::make_shared<Sequence>());
    case Kind::kText:
      return list_characters(value.text(), runtime);
    case Kind::kDict: {
      ROTOR_TRY(runtime.budget().step(value.dict().size()));
      std::vector<Value> keys;
      for (const Dict::Entry& entry : value.dict().entries()) {
        keys.push_back(entry.key);
      }
      ROTOR_ASSIGN(const Value list, runtime.make_sequence(Sequence::Type::kList, std::move(keys)));
      return list.sequence_ref();
    }
    default:
      return format_error("expected a list, dict or str to go through, got " +
                          std::string(type_name(value)));
  }
}

Result<int64_t> length(const Value& value, Runtime& runtime) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kText:
      ROTOR_TRY(runtime.budget().scan(value.text().size()));
      return static_cast<int64_t>(count_characters(value.bytes()));
    case Kind::kDict:
      return static_cast<int64_t>(value.dict().size());
    case Kind::kLoop:
      return static_cast<int64_t>(value.loop().items->items.size());
    case Kind::kSequence:
      if (!value.sequence().is_generator()) {
        return static_cast<int64_t>(value.sequence().items.size());
      }
      break;
    default:
      break;
  }
  return format_error("expected a list, dict or str to measure, got " +
                      std::string(type_name(value)));
}

}  // namespace rotor::jinja
