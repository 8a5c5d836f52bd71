// SPDX-License-Identifier: Apache-2.0
// The methods of str.
#include <algorithm>

#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/format.h"
#include "text/jinja/native.h"
#include "text/jinja/operators.h"
#include "text/jinja/text_operations.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

Result<Value> as_value(NativeCall& call, Result<Text> text) {
  if (!text.ok()) {
    return text.status();
  }
  return call.runtime().make_text(*std::move(text));
}

template <Case to>
Result<Value> case_method(NativeCall& call) {
  return as_value(call, change_case(call[0].text(), to, call.budget()));
}

template <Side side>
Result<Value> strip_method(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef characters, call.text(1));
  return as_value(call, strip(call[0].text(), characters.get(), side, call.budget()));
}

template <Side side>
Result<Value> split_method(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef separator, call.text(1));
  ROTOR_ASSIGN(const int64_t limit, call.integer(2, -1));
  ROTOR_ASSIGN(std::vector<Text> parts,
               split(call[0].text(), separator.get(), limit, side, call.budget()));
  return make_text_list(std::move(parts), call.runtime());
}

Result<Value> splitlines(NativeCall& call) {
  ROTOR_ASSIGN(const bool keep_ends, call.truth(1, false));
  ROTOR_ASSIGN(std::vector<Text> lines, split_lines(call[0].text(), keep_ends, call.budget()));
  return make_text_list(std::move(lines), call.runtime());
}

// The text before the separator, the separator, and the text after it.
template <Side side>
Result<Value> partition(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef separator, call.text(1));
  if (separator == nullptr || separator->empty()) {
    return call.fail("expected a separator, got an empty one");
  }
  const Text& text = call[0].text();
  ROTOR_TRY(call.budget().transform(text.size()));
  ROTOR_TRY(call.budget().allocate(text.size()));
  const size_t at = side == Side::kLeft ? find_bytes(text.bytes(), separator->bytes(), 0)
                                        : rfind_bytes(text.bytes(), separator->bytes());
  std::vector<Text> parts(3);
  if (at == std::string_view::npos) {
    parts[side == Side::kLeft ? 0 : 2] = text;
  } else {
    parts[0] = text.slice(0, at);
    parts[1] = *separator;
    parts[2] = text.slice(at + separator->size(), text.size());
  }
  ROTOR_ASSIGN(const Value list, make_text_list(std::move(parts), call.runtime()));
  return call.runtime().make_sequence(Sequence::Type::kTuple, list.sequence().items);
}

// The part of the text between the optional character positions 2 and 3, as for a slice.
struct Window {
  size_t begin;
  size_t end;
  bool is_empty_range;  // the start lies beyond the end: nothing is found there, not even ""
};

Result<Window> window(NativeCall& call) {
  const std::string_view bytes = call[0].bytes();
  ROTOR_TRY(call.budget().transform(bytes.size()));
  if (!call.has(2) && !call.has(3)) {
    return Window{0, bytes.size(), false};
  }
  const auto size = static_cast<int64_t>(count_characters(bytes));
  ROTOR_ASSIGN(int64_t begin, call.has(2) && call[2].is(Kind::kNone) ? 0 : call.integer(2, 0));
  ROTOR_ASSIGN(int64_t end, call.has(3) && call[3].is(Kind::kNone) ? size : call.integer(3, size));
  begin = begin < 0 ? std::max<int64_t>(begin + size, 0) : begin;
  end = end < 0 ? std::max<int64_t>(end + size, 0) : std::min(end, size);
  if (begin > end) {
    return Window{0, 0, true};
  }
  return Window{character_offset(bytes, static_cast<size_t>(begin)),
                character_offset(bytes, static_cast<size_t>(end)), false};
}

// startswith and endswith take one text or a tuple of them.
template <Side side>
Result<Value> affix_method(NativeCall& call) {
  ROTOR_ASSIGN(const Window range, window(call));
  const std::string_view text = call[0].bytes().substr(range.begin, range.end - range.begin);
  const bool is_tuple =
      call[1].is(Kind::kSequence) && call[1].sequence().type == Sequence::Type::kTuple;
  const std::span<const Value> affixes =
      is_tuple ? std::span<const Value>(call[1].sequence().items) : std::span(&call[1], 1);
  for (const Value& affix : affixes) {
    if (!affix.is(Kind::kText)) {
      return call.fail("expected str or a tuple of str, got " + std::string(type_name(affix)));
    }
    ROTOR_TRY(call.budget().scan(affix.text().size() + 64));
    const bool found =
        side == Side::kLeft ? text.starts_with(affix.bytes()) : text.ends_with(affix.bytes());
    if (found && !range.is_empty_range) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

// The position in characters, or -1.
template <Side side>
Result<int64_t> find_position(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef needle, call.text(1));
  if (needle == nullptr) {
    return call.wrong_type(1, "str");
  }
  ROTOR_ASSIGN(const Window range, window(call));
  const std::string_view bytes = call[0].bytes();
  const std::string_view text = bytes.substr(range.begin, range.end - range.begin);
  ROTOR_TRY(call.budget().scan(needle->size()));
  const size_t at = range.is_empty_range  ? std::string_view::npos
                    : side == Side::kLeft ? find_bytes(text, needle->bytes(), 0)
                                          : rfind_bytes(text, needle->bytes());
  return at == std::string_view::npos
             ? int64_t{-1}
             : static_cast<int64_t>(count_characters(bytes.substr(0, range.begin + at)));
}

template <Side side>
Result<Value> find_method(NativeCall& call) {
  ROTOR_ASSIGN(const int64_t position, find_position<side>(call));
  return Value::integer(position);
}

template <Side side>
Result<Value> index_method(NativeCall& call) {
  ROTOR_ASSIGN(const int64_t position, find_position<side>(call));
  return position < 0 ? Result<Value>(call.fail("expected the text to be there, found none"))
                      : Value::integer(position);
}

Result<Value> count_method(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef needle, call.text(1));
  if (needle == nullptr) {
    return call.wrong_type(1, "str");
  }
  ROTOR_ASSIGN(const Window range, window(call));
  const std::string_view text = call[0].bytes().substr(range.begin, range.end - range.begin);
  if (range.is_empty_range) {
    return Value::integer(0);
  }
  if (needle->empty()) {
    return Value::integer(static_cast<int64_t>(count_characters(text)) + 1);
  }
  ROTOR_TRY(call.budget().scan(needle->size()));
  int64_t count = 0;
  for (size_t at = find_bytes(text, needle->bytes(), 0); at != std::string_view::npos;
       at = find_bytes(text, needle->bytes(), at + needle->size())) {
    ++count;
  }
  return Value::integer(count);
}

Result<Value> replace_method(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef from, call.text(1));
  ROTOR_ASSIGN(const TextRef to, call.text(2));
  if (from == nullptr || to == nullptr) {
    return call.wrong_type(from == nullptr ? 1 : 2, "str");
  }
  ROTOR_ASSIGN(const int64_t limit, call.integer(3, -1));
  return as_value(call, replace(call[0].text(), *from, *to, limit, call.budget()));
}

Result<Value> join_method(NativeCall& call) {
  ROTOR_ASSIGN(const SequenceRef items, iterate(call[1], call.runtime()));
  Text out;
  for (size_t i = 0; i < items->items.size(); ++i) {
    const Value& item = items->items[i];
    if (!item.is(Kind::kText)) {
      return call.fail("expected a list of str, got " + std::string(type_name(item)) + " in it");
    }
    ROTOR_TRY(call.budget().step());
    ROTOR_TRY(call.budget().allocate(item.text().size() + call[0].text().size()));
    if (i > 0) {
      out.append(call[0].text());
    }
    out.append(item.text());
  }
  return call.runtime().make_text(std::move(out));
}

template <Side side>
Result<Value> remove_affix(NativeCall& call) {
  ROTOR_ASSIGN(const TextRef affix, call.text(1));
  if (affix == nullptr) {
    return call.wrong_type(1, "str");
  }
  const Text& text = call[0].text();
  ROTOR_TRY(call.budget().scan(affix->size()));
  ROTOR_TRY(call.budget().transform(text.size()));
  const bool found = side == Side::kLeft ? text.bytes().starts_with(affix->bytes())
                                         : text.bytes().ends_with(affix->bytes());
  const size_t removed = found ? affix->size() : 0;
  return call.runtime().make_text(side == Side::kLeft ? text.slice(removed, text.size())
                                                      : text.slice(0, text.size() - removed));
}

template <Side side>
Result<Value> justify_method(NativeCall& call) {
  ROTOR_ASSIGN(const int64_t width, call.integer(1, 0));
  ROTOR_ASSIGN(const TextRef given, call.text(2));
  const Text fill = given != nullptr ? *given : Text(" ", false);
  if (count_characters(fill.bytes()) != 1) {
    return call.fail("expected one character to fill with");
  }
  return as_value(call, justify(call[0].text(), width, fill, side, call.budget()));
}

Result<Value> zfill(NativeCall& call) {
  ROTOR_ASSIGN(const int64_t width, call.integer(1, 0));
  const Text& text = call[0].text();
  const bool has_sign = text.bytes().starts_with('-') || text.bytes().starts_with('+');
  const size_t sign = has_sign ? 1 : 0;
  Text out = text.slice(0, sign);
  ROTOR_ASSIGN(const Text digits,
               justify(text.slice(sign, text.size()), width - static_cast<int64_t>(sign),
                       Text("0", false), Side::kRight, call.budget()));
  out.append(digits);
  return call.runtime().make_text(std::move(out));
}

Result<Value> format_method(NativeCall& call) {
  return format_braces(call[0], call.rest(), call.rest_keywords(), call.runtime());
}

// Whether the text is not empty and every character is of the class.
template <bool (*is_class)(char32_t)>
Result<Value> all_method(NativeCall& call) {
  const std::string_view bytes = call[0].bytes();
  ROTOR_TRY(call.budget().transform(bytes.size()));
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    if (!is_class(c.code_point)) {
      return Value::boolean(false);
    }
    at += c.length;
  }
  return Value::boolean(!bytes.empty());
}

bool is_alphanumeric(char32_t c) { return is_alphabetic(c) || is_number(c); }

Result<Value> ascii_method(NativeCall& call) {
  const std::string_view bytes = call[0].bytes();
  ROTOR_TRY(call.budget().scan(bytes.size()));
  return Value::boolean(std::all_of(bytes.begin(), bytes.end(),
                                    [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

// Whether there are cased characters and all of them have this case.
template <bool (*is_case)(char32_t)>
Result<Value> all_cased_method(NativeCall& call) {
  const std::string_view bytes = call[0].bytes();
  ROTOR_TRY(call.budget().transform(bytes.size()));
  bool found = false;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    if (is_cased(c.code_point) && !is_case(c.code_point)) {
      return Value::boolean(false);
    }
    found = found || is_case(c.code_point);
    at += c.length;
  }
  return Value::boolean(found);
}

Result<Value> istitle(NativeCall& call) {
  const std::string_view bytes = call[0].bytes();
  ROTOR_TRY(call.budget().transform(bytes.size()));
  bool found = false;
  bool after_cased = false;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_utf8(bytes, at);
    const bool starts = is_upper(c.code_point) || is_title(c.code_point);
    if (starts ? after_cased : is_lower(c.code_point) && !after_cased) {
      return Value::boolean(false);
    }
    after_cased = is_cased(c.code_point);
    found = found || after_cased;
    at += c.length;
  }
  return Value::boolean(found);
}

constexpr Native kTextMethods[] = {
    {"capitalize", case_method<Case::kCapitalize>, "self"},
    {"casefold", case_method<Case::kLower>, "self"},
    {"center", justify_method<Side::kBoth>, "self width fillchar?"},
    {"count", count_method, "self sub start? end?"},
    {"endswith", affix_method<Side::kRight>, "self suffix start? end?"},
    {"find", find_method<Side::kLeft>, "self sub start? end?"},
    {"format", format_method, "self *"},
    {"index", index_method<Side::kLeft>, "self sub start? end?"},
    {"isalnum", all_method<is_alphanumeric>, "self"},
    {"isalpha", all_method<is_alphabetic>, "self"},
    {"isascii", ascii_method, "self"},
    {"isdecimal", all_method<is_decimal>, "self"},
    {"isdigit", all_method<is_digit>, "self"},
    {"islower", all_cased_method<is_lower>, "self"},
    {"isnumeric", all_method<is_number>, "self"},
    {"isspace", all_method<is_space>, "self"},
    {"istitle", istitle, "self"},
    {"isupper", all_cased_method<is_upper>, "self"},
    {"join", join_method, "self iterable"},
    {"ljust", justify_method<Side::kLeft>, "self width fillchar?"},
    {"lower", case_method<Case::kLower>, "self"},
    {"lstrip", strip_method<Side::kLeft>, "self chars?"},
    {"partition", partition<Side::kLeft>, "self sep"},
    {"removeprefix", remove_affix<Side::kLeft>, "self prefix"},
    {"removesuffix", remove_affix<Side::kRight>, "self suffix"},
    {"replace", replace_method, "self old new count?"},
    {"rfind", find_method<Side::kRight>, "self sub start? end?"},
    {"rindex", index_method<Side::kRight>, "self sub start? end?"},
    {"rjust", justify_method<Side::kRight>, "self width fillchar?"},
    {"rpartition", partition<Side::kRight>, "self sep"},
    {"rsplit", split_method<Side::kRight>, "self sep? maxsplit?"},
    {"rstrip", strip_method<Side::kRight>, "self chars?"},
    {"split", split_method<Side::kLeft>, "self sep? maxsplit?"},
    {"splitlines", splitlines, "self keepends?"},
    {"startswith", affix_method<Side::kLeft>, "self prefix start? end?"},
    {"strip", strip_method<Side::kBoth>, "self chars?"},
    {"swapcase", case_method<Case::kSwap>, "self"},
    {"title", case_method<Case::kTitle>, "self"},
    {"upper", case_method<Case::kUpper>, "self"},
    {"zfill", zfill, "self width"},
};
static_assert(is_sorted_by_name(kTextMethods));

}  // namespace

const Native* find_text_method(std::string_view name) { return find_native(kTextMethods, name); }

}  // namespace rotor::jinja
