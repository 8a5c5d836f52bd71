// SPDX-License-Identifier: Apache-2.0
// The values of the template language: Python's None, bool, int, float, str, list, tuple and dict
// as far as templates can see them, Jinja's Undefined, and what templates call or assign through.
// Nothing here reaches outside the rendering. Containers are immutable once made (the sandboxed
// Jinja2 forbids their mutating methods), so values form no cycles; namespaces, loops and macros,
// which could, are owned by the Runtime and only pointed to. Used by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/provenance_text.h"

namespace rotor::jinja {

struct Expr;
struct Stmt;
struct Native;
struct Scope;
struct Sequence;
struct Namespace;
struct Loop;
struct Macro;
struct Method;
class Dict;

using TextRef = std::shared_ptr<const Text>;
using SequenceRef = std::shared_ptr<const Sequence>;
using DictRef = std::shared_ptr<const Dict>;
using MethodRef = std::shared_ptr<const Method>;

// Deeper nesting of lists and dicts than this is refused, so walking a value may recurse.
inline constexpr uint32_t kMaxNesting = 100;

struct Undefined {
  const Expr* origin = nullptr;  // the expression that had no value, for messages
};
struct None {};

// In the order of Value::Data.
enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInteger,
  kReal,
  kText,
  kSequence,
  kDict,
  kNamespace,
  kLoop,
  kMacro,
  kNative,
  kMethod,
};

class Value {
 public:
  using Data = std::variant<Undefined, None, bool, int64_t, double, TextRef, SequenceRef, DictRef,
                            Namespace*, Loop*, const Macro*, const Native*, MethodRef>;

  Value() = default;  // undefined
  Value(Data data, bool from_template) : data_(std::move(data)), from_template_(from_template) {}
  explicit Value(Data data) : data_(std::move(data)) {}

  static Value undefined(const Expr* origin) { return Value(Undefined{origin}); }
  static Value none(bool from_template = false) { return Value(None{}, from_template); }
  static Value boolean(bool value, bool from_template = false) {
    return Value(Data(std::in_place_type<bool>, value), from_template);
  }
  static Value integer(int64_t value, bool from_template = false) {
    return Value(Data(std::in_place_type<int64_t>, value), from_template);
  }
  static Value real(double value, bool from_template = false) {
    return Value(Data(std::in_place_type<double>, value), from_template);
  }
  static Value text(Text text) {
    return Value(Data(std::make_shared<const Text>(std::move(text))));
  }
  static Value text(std::string_view bytes, bool from_template) {
    return text(Text(bytes, from_template));
  }

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_integer() const { return is(Kind::kInteger) || is(Kind::kBool); }  // as in Python
  bool is_number() const { return is_integer() || is(Kind::kReal); }

  // Each REQUIRES the kind of its name; integer() also takes a bool, real() any number.
  const Expr* origin() const { return std::get<Undefined>(data_).origin; }
  int64_t integer() const {
    return is(Kind::kBool) ? int64_t{std::get<bool>(data_)} : std::get<int64_t>(data_);
  }
  double real() const {
    return is(Kind::kReal) ? std::get<double>(data_) : static_cast<double>(integer());
  }
  const TextRef& text_ref() const { return std::get<TextRef>(data_); }
  const Text& text() const { return *text_ref(); }
  std::string_view bytes() const { return text().bytes(); }
  const SequenceRef& sequence_ref() const { return std::get<SequenceRef>(data_); }
  const Sequence& sequence() const { return *sequence_ref(); }
  const Dict& dict() const { return *std::get<DictRef>(data_); }
  Namespace& name_space() const { return *std::get<Namespace*>(data_); }
  Loop& loop() const { return *std::get<Loop*>(data_); }
  const Macro& macro() const { return *std::get<const Macro*>(data_); }
  const Native& native() const { return *std::get<const Native*>(data_); }
  const Method& method() const { return *std::get<MethodRef>(data_); }

  // Of a number, bool or None: whether the template alone made it. Text carries this per byte.
  bool from_template() const { return from_template_; }

  // Text made by the filters `safe` and `escape`: `+` escapes what is joined to it.
  bool markup() const { return markup_; }
  Value as_markup() const {
    Value copy = *this;
    copy.markup_ = true;
    return copy;
  }

  // The only owner of its text may append in place; nullptr when it is shared or no text.
  Text* exclusive_text();

 private:
  Data data_;
  bool from_template_ = false;
  bool markup_ = false;
};

struct Sequence {
  enum class Type : uint8_t { kList, kTuple, kRange, kGenerator, kKeys, kValues, kItems };

  Type type = Type::kList;
  uint32_t nesting = 1;  // 1 + the deepest element's
  std::vector<Value> items;
  mutable bool consumed = false;  // a generator yields its elements once

  bool is_generator() const { return type == Type::kGenerator; }
  bool is_indexable() const { return type <= Type::kRange; }
};

// Keeps the order of insertion, as Python's dict does.
class Dict {
 public:
  struct Entry {
    Value key;
    Value value;
  };

  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  uint32_t nesting() const { return nesting_; }

  // `code` is what encode_key() (operators.h) makes of the key; the code of text is its bytes.
  const Value* find(std::string_view code) const;
  void set(std::string code, Value key, Value value);

 private:
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
  uint32_t nesting_ = 1;
};

struct Namespace {
  Dict attributes;
};

// The variable `loop` of a for statement.
struct Loop {
  SequenceRef items;
  size_t index0 = 0;
  std::optional<Value> last_changed;
};

// A macro, or the body of a call block, with the scope it was defined in.
struct Macro {
  const Stmt* definition = nullptr;
  Scope* closure = nullptr;
};

// A method bound to the value it was looked up on, such as `content.strip`.
struct Method {
  Value self;
  const Native* native = nullptr;
};

// 0 for scalars, text, and what is only pointed to.
uint32_t nesting_of(const Value& value);

// The name Python gives the type: "str", "list", "dict", ...
std::string_view type_name(const Value& value);

}  // namespace rotor::jinja
