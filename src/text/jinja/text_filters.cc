// SPDX-License-Identifier: Apache-2.0
// The filters on text and numbers. Most take any value and start from its str().
#include <charconv>
#include <cmath>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/format.h"
#include "text/jinja/json_dump.h"
#include "text/jinja/native.h"
#include "text/jinja/numbers.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

Result<Value> as_value(NativeCall& call, Result<Text> text) {
  if (!text.ok()) {
    return text.status();
  }
  ROTOR_ASSIGN(Value value, call.runtime().make_text(*std::move(text)));
  return call[0].markup() ? value.as_markup() : std::move(value);
}

template <Case to>
Result<Value> case_filter(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef text, call.as_text(0));
  return as_value(call, change_case(*text, to, call.budget()));
}

// Jinja's own: a word also begins after a hyphen, an opening bracket or white space, nowhere else.
Result<Value> title_filter(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef text, call.as_text(0));
  ROTOR_TRY(call.budget().transform(text->size()));
  Text out;
  TextReader reader(*text);
  bool starts = true;
  while (!reader.at_end()) {
    const Utf8Char c = decode_utf8(text->bytes(), reader.position());
    std::string mapped;
    if (starts) {
      append_upper(c.code_point, mapped);
    } else {
      append_lower(c.code_point, mapped);
    }
    out.append(mapped, reader.from_template());
    reader.skip(c.length);
    starts =
        is_space(c.code_point) ||
        (c.code_point < 0x80 &&
         std::string_view("-({[<").find(static_cast<char>(c.code_point)) != std::string_view::npos);
  }
  return as_value(call, std::move(out));
}

Result<Value> trim_filter(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef text, call.as_text(0));
  ROTOR_ASSIGN(const TextRef characters, call.text(1));
  return as_value(call, strip(*text, characters.get(), Side::kBoth, call.budget()));
}

Result<Value> replace_filter(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef text, call.as_text(0));
  ROTOR_ASSIGN(const TextRef from, call.as_text(1));
  ROTOR_ASSIGN(const TextRef to, call.as_text(2));
  const bool has_limit = call.has(3) && !call[3].is(Kind::kNone);
  ROTOR_ASSIGN(const int64_t limit, has_limit ? call.integer(3, -1) : Result<int64_t>(-1));
  ROTOR_ASSIGN(Text out, replace(*text, *from, *to, limit, call.budget()));
  return call.runtime().make_text(std::move(out));
}

Result<Value> string_filter(NativeCall& call) {
  ROTOR_ASSIGN(TextRef text, call.as_text(0));
  Value value{Value::Data(std::move(text))};
  return call[0].markup() ? value.as_markup() : std::move(value);
}

Result<Value> safe_filter(NativeCall& call) {
  ROTOR_ASSIGN(TextRef text, call.as_text(0));
  return Value(Value::Data(std::move(text))).as_markup();
}

Result<Value> escape_filter(NativeCall& call) {
  Text out;
  ROTOR_TRY(append_escaped(call[0], call.runtime(), out));
  ROTOR_ASSIGN(const Value value, call.runtime().make_text(std::move(out)));
  return value.as_markup();
}

Result<Value> center_filter(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef text, call.as_text(0));
  ROTOR_ASSIGN(const int64_t width, call.integer(1, 80));
  return as_value(call, justify(*text, width, Text(" ", false), Side::kBoth, call.budget()));
}

Result<Value> indent_filter(NativeCall& call) {
  if (!call[0].is(Kind::kText)) {
    return call.wrong_type(0, "str");
  }
  Text indentation;
  if (call.has(1) && call[1].is(Kind::kText)) {
    indentation = call[1].text();
  } else {
    ROTOR_ASSIGN(const int64_t width, call.integer(1, 4));
    ROTOR_ASSIGN(indentation, justify(Text(), width, Text(" ", false), Side::kLeft, call.budget()));
  }
  ROTOR_ASSIGN(const bool first, call.truth(2, false));
  ROTOR_ASSIGN(const bool blank, call.truth(3, false));
  Text source = call[0].text();
  source.append("\n", false);  // so that text that ends in a newline keeps it
  ROTOR_ASSIGN(const std::vector<Text> lines, split_lines(source, false, call.budget()));
  Text out;
  for (size_t i = 0; i < lines.size(); ++i) {
    ROTOR_TRY(call.budget().allocate(lines[i].size() + indentation.size() + 1));
    if (i > 0) {
      out.append("\n", false);
    }
    if (i == 0 ? first : blank || !lines[i].empty()) {
      out.append(indentation);
    }
    out.append(lines[i]);
  }
  return as_value(call, std::move(out));
}

Result<Value> truncate_filter(NativeCall& call) {
  if (!call[0].is(Kind::kText)) {
    return call.wrong_type(0, "str");
  }
  const Text& text = call[0].text();
  ROTOR_ASSIGN(const int64_t length, call.integer(1, 255));
  ROTOR_ASSIGN(const bool kill_words, call.truth(2, false));
  ROTOR_ASSIGN(TextRef end, call.text(3));
  const Text ending = end != nullptr ? *end : Text("...", false);
  ROTOR_ASSIGN(const int64_t leeway, call.integer(4, 5));
  ROTOR_TRY(call.budget().transform(text.size() + ending.size()));
  const auto ending_length = static_cast<int64_t>(count_characters(ending.bytes()));
  if (length < ending_length || leeway < 0) {
    return call.fail("expected a length of at least that of the ending, and a leeway from 0");
  }
  if (static_cast<int64_t>(count_characters(text.bytes())) - leeway <= length) {
    return call[0];
  }
  size_t cut = character_offset(text.bytes(), static_cast<size_t>(length - ending_length));
  if (!kill_words) {
    cut = std::min(cut, text.bytes().substr(0, cut).rfind(' '));
  }
  Text out = text.slice(0, cut);
  out.append(ending);
  return call.runtime().make_text(std::move(out));
}

Result<Value> wordcount_filter(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef text, call.as_text(0));
  ROTOR_TRY(call.budget().transform(text->size()));
  int64_t count = 0;
  bool in_word = false;
  for (size_t at = 0; at < text->size();) {
    const Utf8Char c = decode_utf8(text->bytes(), at);
    const bool is_word =
        c.code_point == '_' || is_alphabetic(c.code_point) || is_number(c.code_point);
    count += is_word && !in_word ? 1 : 0;
    in_word = is_word;
    at += c.length;
  }
  return Value::integer(count);
}

Result<Value> format_filter(NativeCall& call) {
  ROTOR_ASSIGN(TextRef text, call.as_text(0));
  const Value format{Value::Data(std::move(text))};
  if (!call.rest().empty() && !call.rest_keywords().empty()) {
    return call.fail("expected either positional or keyword arguments, got both");
  }
  if (call.rest_keywords().empty()) {
    const std::vector<Value> arguments(call.rest().begin(), call.rest().end());
    ROTOR_ASSIGN(const Value tuple,
                 call.runtime().make_sequence(Sequence::Type::kTuple, arguments));
    return format_percent(format, tuple, call.runtime());
  }
  Dict named;
  for (const Keyword& keyword : call.rest_keywords()) {
    named.set(keyword.name, Value::text(keyword.name, true), keyword.value);
  }
  ROTOR_ASSIGN(const Value dict, call.runtime().make_dict(std::move(named)));
  return format_percent(format, dict, call.runtime());
}

Result<Value> tojson_filter(NativeCall& call) {
  JsonStyle style;
  ROTOR_ASSIGN(style.ensure_ascii, call.truth(1, false));
  ROTOR_ASSIGN(style.sort_keys, call.truth(4, false));
  if (call.has(2) && call[2].is(Kind::kText)) {
    style.indent = std::string(call[2].bytes());
  } else if (call.has(2) && !call[2].is(Kind::kNone)) {
    ROTOR_ASSIGN(const int64_t width, call.integer(2, 0));
    ROTOR_TRY(call.budget().allocate(width > 0 ? static_cast<size_t>(width) : 0));
    style.indent = std::string(width > 0 ? static_cast<size_t>(width) : 0, ' ');
  }
  if (style.indent) {
    style.item_separator = ",";
  }
  if (call.has(3) && !call[3].is(Kind::kNone)) {
    ROTOR_ASSIGN(const SequenceRef separators, iterate(call[3], call.runtime()));
    const std::vector<Value>& two = separators->items;
    if (two.size() != 2 || !two[0].is(Kind::kText) || !two[1].is(Kind::kText)) {
      return call.fail("expected two str as separators");
    }
    style.item_separator = two[0].bytes();
    style.key_separator = two[1].bytes();
  }
  ROTOR_ASSIGN(Text out, dump_json(call[0], style, call.budget()));
  return call.runtime().make_text(std::move(out));
}

Result<Value> abs_filter(NativeCall& call) {
  if (!call[0].is_number()) {
    return call.wrong_type(0, "a number");
  }
  const bool is_negative =
      call[0].is(Kind::kReal) ? std::signbit(call[0].real()) : call[0].integer() < 0;
  return negate(call[0], is_negative);
}

Result<Value> int_filter(NativeCall& call) {
  if (call[0].is(Kind::kUndefined)) {
    return undefined_error(call[0].origin());
  }
  ROTOR_ASSIGN(const int64_t base, call.integer(2, 10));
  Value fallback = call.has(1) ? call[1] : Value::integer(0);
  if (call[0].is(Kind::kText)) {
    ROTOR_TRY(call.budget().transform(call[0].text().size()));
    const auto integer = parse_integer(call[0].bytes(), base);
    if (integer) {
      return Value::integer(*integer);
    }
    const auto real = parse_real(call[0].bytes());
    return real && std::abs(*real) < 0x1p63 ? Value::integer(static_cast<int64_t>(*real))
                                            : std::move(fallback);
  }
  if (call[0].is_integer()) {
    return Value::integer(call[0].integer(), call[0].from_template());
  }
  const bool fits = call[0].is(Kind::kReal) && std::abs(call[0].real()) < 0x1p63;
  return fits ? Value::integer(static_cast<int64_t>(call[0].real()), call[0].from_template())
              : std::move(fallback);
}

Result<Value> float_filter(NativeCall& call) {
  if (call[0].is(Kind::kUndefined)) {
    return undefined_error(call[0].origin());
  }
  if (call[0].is_number()) {
    return Value::real(call[0].real(), call[0].from_template());
  }
  if (call[0].is(Kind::kText)) {
    ROTOR_TRY(call.budget().transform(call[0].text().size()));
    if (const auto real = parse_real(call[0].bytes())) {
      return Value::real(*real);
    }
  }
  return call.has(1) ? call[1] : Value::real(0);
}

Result<Value> round_filter(NativeCall& call) {
  if (!call[0].is_number()) {
    return call.wrong_type(0, "a number");
  }
  ROTOR_ASSIGN(const int64_t precision, call.integer(1, 0));
  ROTOR_ASSIGN(const TextRef given, call.text(2));
  const std::string_view method = given != nullptr ? given->bytes() : "common";
  if (method == "common") {
    return round_number(call[0], precision);
  }
  if (method != "ceil" && method != "floor") {
    return call.fail("expected the method common, ceil or floor, got " + printable(method));
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = call[0].real() * scale;
  return Value::real((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale,
                     call[0].from_template());
}

constexpr Native kTextFilters[] = {
    {"abs", abs_filter, "value"},
    {"capitalize", case_filter<Case::kCapitalize>, "value"},
    {"center", center_filter, "value width?"},
    {"e", escape_filter, "value"},
    {"escape", escape_filter, "value"},
    {"float", float_filter, "value default?"},
    {"format", format_filter, "value *"},
    {"indent", indent_filter, "value width? first? blank?"},
    {"int", int_filter, "value default? base?"},
    {"lower", case_filter<Case::kLower>, "value"},
    {"replace", replace_filter, "value old new count?"},
    {"round", round_filter, "value precision? method?"},
    {"safe", safe_filter, "value"},
    {"string", string_filter, "value"},
    {"title", title_filter, "value"},
    {"tojson", tojson_filter, "value ensure_ascii? indent? separators? sort_keys?"},
    {"trim", trim_filter, "value chars?"},
    {"truncate", truncate_filter, "value length? killwords? end? leeway?"},
    {"upper", case_filter<Case::kUpper>, "value"},
    {"wordcount", wordcount_filter, "value"},
};
static_assert(is_sorted_by_name(kTextFilters));

}  // namespace

const Native* find_text_filter(std::string_view name) { return find_native(kTextFilters, name); }

}  // namespace rotor::jinja
