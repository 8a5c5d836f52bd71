// SPDX-License-Identifier: Apache-2.0
// The functions every template can call: what Jinja2 has and what Hugging Face adds.
#include <array>
#include <ctime>

#include "text/jinja/access.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

// range(stop) or range(start, stop, step)
Result<Value> range_function(NativeCall& call) {
  ROTOR_ASSIGN(const int64_t first, call.integer(0, 0));
  ROTOR_ASSIGN(const int64_t second, call.integer(1, 0));
  ROTOR_ASSIGN(const int64_t step, call.integer(2, 1));
  const int64_t start = call.has(1) ? first : 0;
  const int64_t stop = call.has(1) ? second : first;
  if (step == 0) {
    return call.fail("expected a step other than 0");
  }
  bool from_template = true;
  for (size_t i = 0; i < 3; ++i) {
    from_template = from_template && (!call.has(i) || call[i].from_template());
  }
  const int64_t limit = call.budget().limits().max_range;
  std::vector<Value> items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (static_cast<int64_t>(items.size()) == limit) {
      return call.fail("expected a range of at most " + std::to_string(limit) +
                       " elements, got more");
    }
    items.push_back(Value::integer(at, from_template));
    if (__builtin_add_overflow(at, step, &at)) {
      break;
    }
  }
  ROTOR_TRY(call.budget().step(items.size() / 16));
  return call.runtime().make_sequence(Sequence::Type::kRange, std::move(items));
}

// Adds what dict(positional, **keywords) says: a dict or pairs first, then the keywords.
Status fill_dict(NativeCall& call, Dict& dict) {
  if (call.rest().size() > 1) {
    return call.fail("expected at most 1 positional argument");
  }
  if (!call.rest().empty() && call.rest()[0].is(Kind::kDict)) {
    dict = call.rest()[0].dict();
    ROTOR_TRY(call.budget().step(dict.size()));
  } else if (!call.rest().empty()) {
    ROTOR_ASSIGN(const SequenceRef pairs, iterate(call.rest()[0], call.runtime()));
    for (const Value& pair : pairs->items) {
      ROTOR_ASSIGN(const SequenceRef two, iterate(pair, call.runtime()));
      if (two->items.size() != 2) {
        return call.fail("expected pairs of key and value");
      }
      ROTOR_ASSIGN(std::string code, encode_key(two->items[0], call.budget()));
      dict.set(std::move(code), two->items[0], two->items[1]);
    }
  }
  for (const Keyword& keyword : call.rest_keywords()) {
    ROTOR_TRY(call.budget().step());
    dict.set(keyword.name, Value::text(keyword.name, true), keyword.value);
  }
  return Status();
}

Result<Value> dict_function(NativeCall& call) {
  Dict dict;
  ROTOR_TRY(fill_dict(call, dict));
  return call.runtime().make_dict(std::move(dict));
}

Result<Value> namespace_function(NativeCall& call) {
  Dict attributes;
  ROTOR_TRY(fill_dict(call, attributes));
  // Pays for the attributes, and checks their nesting.
  ROTOR_TRY(call.runtime().make_dict(attributes).status());
  ROTOR_ASSIGN(Namespace* const made, call.runtime().make_namespace());
  made->attributes = std::move(attributes);
  return Value(Value::Data(made));
}

// The one way a template has to refuse its input. The code is what tells it from other failures.
Result<Value> raise_exception_function(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef message, call.as_text(0));
  return invalid_argument(std::string(message->bytes()));
}

// datetime.now().strftime(format). Each directive is checked before the C library sees it.
Result<Value> strftime_now_function(NativeCall& call) {
  constexpr std::string_view kDirectives = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyY%";
  ROTOR_ASSIGN(const TextRef format, call.text(0));
  if (format == nullptr) {
    return call.wrong_type(0, "str");
  }
  ROTOR_TRY(call.budget().transform(format->size() * 16));
  ROTOR_TRY(call.budget().allocate(format->size() * 16));
  const std::tm now = call.runtime().now();
  Text out;
  TextReader reader(*format);
  const std::string_view bytes = format->bytes();
  for (;;) {
    const size_t percent = std::min(bytes.find('%', reader.position()), bytes.size());
    reader.copy_to(percent, out);
    if (reader.at_end()) {
      return call.runtime().make_text(std::move(out));
    }
    size_t at = percent + 1;
    const bool has_flag =
        at < bytes.size() && std::string_view("-_0^#").find(bytes[at]) != std::string_view::npos;
    at += has_flag ? 1 : 0;
    const char directive = at < bytes.size() ? bytes[at] : '\0';
    std::array<char, 64> shown{};
    size_t size = 0;
    if (directive == 'f') {
      out.append("000000", false);  // the clock counts seconds
    } else if (directive == '\0' || kDirectives.find(directive) == std::string_view::npos) {
      if (directive != 'z' && directive != 'Z') {  // no time zone: nothing to show
        return call.fail("expected a directive of strftime, got " +
                         printable(bytes.substr(percent, at + 1 - percent)));
      }
    } else {
      const std::string one(bytes.substr(percent, at + 1 - percent));
      size = std::strftime(shown.data(), shown.size(), one.c_str(), &now);
    }
    out.append(std::string_view(shown.data(), size), false);
    reader.skip_to(at + 1);
  }
}

constexpr Native kFunctions[] = {
    {"dict", dict_function, "*"},
    {"namespace", namespace_function, "*"},
    {"raise_exception", raise_exception_function, "message"},
    {"range", range_function, "start stop? step?"},
    {"strftime_now", strftime_now_function, "format"},
};
static_assert(is_sorted_by_name(kFunctions));

}  // namespace

const Native* find_function(std::string_view name) { return find_native(kFunctions, name); }

}  // namespace rotor::jinja
