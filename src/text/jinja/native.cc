// SPDX-License-Identifier: Apache-2.0
// Binding arguments to the parameters of a native.
#include "text/jinja/native.h"

#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/print.h"

namespace rotor::jinja {
namespace {

constexpr int kMaxNativeDepth = 16;

// Takes the next word off a parameter list.
std::string_view next_word(std::string_view& words) {
  const size_t end = words.find(' ');
  const std::string_view word = words.substr(0, end);
  words.remove_prefix(end == std::string_view::npos ? words.size() : end + 1);
  return word;
}

const Value* find_keyword(const Arguments& arguments, std::string_view name) {
  for (const Keyword& keyword : arguments.keywords) {
    if (keyword.name == name) {
      return &keyword.value;
    }
  }
  return nullptr;
}

}  // namespace

const Native* find_native(std::span<const Native> table, std::string_view name) {
  const auto found =
      std::lower_bound(table.begin(), table.end(), name,
                       [](const Native& native, std::string_view n) { return native.name < n; });
  return found != table.end() && found->name == name ? &*found : nullptr;
}

const Native* find_filter(std::string_view name) {
  const Native* found = find_text_filter(name);
  return found != nullptr ? found : find_sequence_filter(name);
}

Status NativeCall::bind(const Value* first, const Arguments& arguments) {
  const std::span<const Value> positional(arguments.positional);
  const size_t given = positional.size() + (first != nullptr ? 1 : 0);
  std::string_view words = native_.parameters;
  size_t count = 0;
  size_t keywords_used = 0;
  while (!words.empty() && words != "*") {
    std::string_view name = next_word(words);
    const bool is_optional = name.ends_with('?');
    name.remove_suffix(is_optional ? 1 : 0);
    const Value* keyword = find_keyword(arguments, name);
    keywords_used += keyword != nullptr ? 1 : 0;
    if (count < given) {
      if (keyword != nullptr) {
        return fail("expected one value for '" + std::string(name) + "', got two");
      }
      const size_t skipped = first != nullptr ? 1 : 0;
      bound_[count] = count < skipped ? first : &positional[count - skipped];
    } else if (keyword != nullptr) {
      bound_[count] = keyword;
    } else if (!is_optional) {
      return fail("expected a value for '" + std::string(name) + "', got none");
    }
    ++count;
  }
  const bool takes_rest = words == "*";
  if (given > count) {
    if (!takes_rest) {
      return fail("expected at most " + std::to_string(count) + " arguments, got " +
                  std::to_string(given));
    }
    rest_ = positional.subspan(count - (first != nullptr ? 1 : 0));
  }
  if (takes_rest) {
    rest_keywords_ = arguments.keywords;
  } else if (keywords_used < arguments.keywords.size()) {
    return fail("got a keyword argument it does not have");
  }
  return Status();
}

std::string_view NativeCall::parameter_name(size_t i) const {
  std::string_view words = native_.parameters;
  std::string_view name = next_word(words);
  for (; i > 0; --i) {
    name = next_word(words);
  }
  name.remove_suffix(name.ends_with('?') ? 1 : 0);
  return name;
}

Status NativeCall::fail(std::string_view message) const {
  return format_error(std::string(native_.name) + ": " + std::string(message));
}

Status NativeCall::wrong_type(size_t i, std::string_view what) const {
  return fail("expected " + std::string(what) + " for '" + std::string(parameter_name(i)) +
              "', got " + std::string(type_name((*this)[i])));
}

Result<int64_t> NativeCall::integer(size_t i, int64_t fallback) const {
  if (!has(i)) {
    return fallback;
  }
  if (!(*this)[i].is_integer()) {
    return wrong_type(i, "int");
  }
  return (*this)[i].integer();
}

Result<bool> NativeCall::truth(size_t i, bool fallback) const {
  return has(i) ? jinja::truth((*this)[i]) : fallback;
}

Result<TextRef> NativeCall::text(size_t i) const {
  if (!has(i) || (*this)[i].is(Kind::kNone)) {
    return TextRef();
  }
  if (!(*this)[i].is(Kind::kText)) {
    return wrong_type(i, "str");
  }
  return (*this)[i].text_ref();
}

Result<TextRef> NativeCall::as_text(size_t i) { return to_text((*this)[i], runtime_); }

Result<Value> call_native(Runtime& runtime, const Native& native, const Value* first,
                          const Arguments& arguments) {
  NativeCall call(runtime, native);
  ROTOR_TRY(call.bind(first, arguments));
  if (runtime.native_depth >= kMaxNativeDepth) {
    return call.fail("expected filters that apply filters at most " +
                     std::to_string(kMaxNativeDepth) + " deep");
  }
  ++runtime.native_depth;
  Result<Value> result = native.run(call);
  --runtime.native_depth;
  return result;
}

}  // namespace rotor::jinja
