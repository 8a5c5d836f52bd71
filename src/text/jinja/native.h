// SPDX-License-Identifier: Apache-2.0
// Built-in filters, tests, methods and functions: how they are found and how they are called. A
// native sees its arguments and the Runtime, nothing else: there is no way from a template to the
// process, its files or its environment.
#pragma once

#include <rotor/status.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

struct Keyword {
  std::string name;
  Value value;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<Keyword> keywords;
};

class NativeCall;

struct Native {
  std::string_view name;
  Result<Value> (*run)(NativeCall& call);
  // Parameter names parted by blanks: "name" must be given, "name?" may be; a final "*" takes any
  // further arguments and keywords. The first parameter of a filter or test is what it is applied
  // to, that of a method is the object.
  std::string_view parameters;
};

// In a table sorted by name.
const Native* find_native(std::span<const Native> table, std::string_view name);
constexpr bool is_sorted_by_name(std::span<const Native> table) {
  for (size_t i = 1; i < table.size(); ++i) {
    if (table[i - 1].name >= table[i].name) {
      return false;
    }
  }
  return true;
}

// nullptr when there is none of that name.
const Native* find_filter(std::string_view name);
const Native* find_text_filter(std::string_view name);      // of the filters on text and numbers
const Native* find_sequence_filter(std::string_view name);  // of those on lists and dicts
const Native* find_test(std::string_view name);
const Native* find_function(std::string_view name);
const Native* find_text_method(std::string_view name);
const Native* find_dict_method(std::string_view name);
const Native* find_sequence_method(std::string_view name);
const Native* find_loop_method(std::string_view name);

// The arguments of one call, bound to the parameters.
class NativeCall {
 public:
  static constexpr size_t kMaxParameters = 6;

  NativeCall(Runtime& runtime, const Native& native) : runtime_(runtime), native_(native) {}

  // Binds; `first` (may be null) goes before the positional arguments. Everything outlives the
  // call.
  Status bind(const Value* first, const Arguments& arguments);

  Runtime& runtime() { return runtime_; }
  Budget& budget() { return runtime_.budget(); }
  bool has(size_t i) const { return bound_[i] != nullptr; }
  // REQUIRES: has(i).
  const Value& operator[](size_t i) const { return *bound_[i]; }
  std::span<const Value> rest() const { return rest_; }
  std::span<const Keyword> rest_keywords() const { return rest_keywords_; }

  // Parameter i as a value of that type, or `fallback` when it was not given.
  Result<int64_t> integer(size_t i, int64_t fallback) const;
  Result<bool> truth(size_t i, bool fallback) const;
  // A str as it is; nullptr when not given or None.
  Result<TextRef> text(size_t i) const;
  // str(parameter). REQUIRES: has(i).
  Result<TextRef> as_text(size_t i);

  Status fail(std::string_view message) const;
  // "<native>: expected <what> for '<parameter>', got <type>".
  Status wrong_type(size_t i, std::string_view what) const;

 private:
  std::string_view parameter_name(size_t i) const;

  Runtime& runtime_;
  const Native& native_;
  std::array<const Value*, kMaxParameters> bound_{};
  std::span<const Value> rest_;
  std::span<const Keyword> rest_keywords_;
};

// Binds and runs. `first` as in bind().
Result<Value> call_native(Runtime& runtime, const Native& native, const Value* first,
                          const Arguments& arguments);

}  // namespace rotor::jinja
