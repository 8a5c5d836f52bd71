// SPDX-License-Identifier: Apache-2.0
// "%" formatting, str.format() and the specifications both share.
#include "text/jinja/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "text/jinja/characters.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

constexpr int64_t kMaxWidth = 100'000;

// What both notations say about one value.
struct Specification {
  std::string fill = " ";
  char alignment = '\0';  // < > ^ = or none
  char sign = '-';        // - + or a blank
  bool alternate = false;
  bool zero_padded = false;
  bool thousands = false;
  int64_t width = 0;
  int64_t precision = -1;  // none
  char type = '\0';
};

int64_t take_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    number = std::min<int64_t>(number * 10 + (text[at++] - '0'), kMaxWidth + 1);
  }
  return number;
}

std::string group_thousands(const std::string& digits) {
  const size_t end = std::min(digits.find_first_of(".e%"), digits.size());
  std::string out;
  for (size_t i = 0; i < end; ++i) {
    out += i > 0 && (end - i) % 3 == 0 ? "," : "";
    out += digits[i];
  }
  return out + digits.substr(end);
}

// Digits without a sign. REQUIRES: magnitude is not negative or NaN matters not.
Result<std::string> real_digits(double magnitude, const Specification& spec) {
  if (!std::isfinite(magnitude)) {
    return std::string(std::isnan(magnitude) ? "nan" : "inf");
  }
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  switch (spec.type) {
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case 'e':
    case 'E':
      return spec.type == 'e' ? fmt::format("{:.{}e}", magnitude, precision)
                              : fmt::format("{:.{}E}", magnitude, precision);
    case 'g':
    case 'G':
      return spec.type == 'g' ? fmt::format("{:.{}g}", magnitude, std::max(precision, 1))
                              : fmt::format("{:.{}G}", magnitude, std::max(precision, 1));
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100, precision);
    case '\0':
      if (spec.precision < 0) {
        return format_real(magnitude);
      }
      return fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
    default:
      return format_error(fmt::format("expected a format for a float, got '{}'", spec.type));
  }
}

Result<std::string> integer_digits(uint64_t magnitude, const Specification& spec) {
  const std::string_view prefix = !spec.alternate    ? ""
                                  : spec.type == 'x' ? "0x"
                                  : spec.type == 'X' ? "0X"
                                  : spec.type == 'o' ? "0o"
                                  : spec.type == 'b' ? "0b"
                                                     : "";
  switch (spec.type) {
    case '\0':
    case 'd':
    case 'i':
    case 'u':
    case 'n':
      return std::to_string(magnitude);
    case 'x':
      return fmt::format("{}{:x}", prefix, magnitude);
    case 'X':
      return fmt::format("{}{:X}", prefix, magnitude);
    case 'o':
      return fmt::format("{}{:o}", prefix, magnitude);
    case 'b':
      return fmt::format("{}{:b}", prefix, magnitude);
    default:
      return real_digits(static_cast<double>(magnitude), spec);
  }
}

Result<Text> format_number(const Value& value, const Specification& spec, Budget& budget) {
  const bool is_real = value.is(Kind::kReal);
  const bool is_negative = is_real ? std::signbit(value.real()) : value.integer() < 0;
  const auto bits = is_real ? uint64_t{0} : static_cast<uint64_t>(value.integer());
  ROTOR_ASSIGN(std::string digits,
               is_real ? real_digits(std::abs(value.real()), spec)
                       : integer_digits(is_negative ? uint64_t{0} - bits : bits, spec));
  if (spec.thousands) {
    digits = group_thousands(digits);
  }
  const std::string sign = is_negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const bool zeros = spec.alignment == '=' || (spec.zero_padded && spec.alignment == '\0');
  if (zeros) {
    const Text fill(spec.zero_padded ? "0" : spec.fill, false);
    ROTOR_ASSIGN(const Text padded,
                 justify(Text(digits, false), spec.width - static_cast<int64_t>(sign.size()), fill,
                         Side::kRight, budget));
    Text out(sign, false);
    out.append(padded);
    return out;
  }
  const Side side = spec.alignment == '<'   ? Side::kLeft
                    : spec.alignment == '^' ? Side::kBoth
                                            : Side::kRight;
  return justify(Text(sign + digits, false), spec.width, Text(spec.fill, false), side, budget);
}

Result<Text> format_text(const Text& text, const Specification& spec, Budget& budget) {
  Text shown = text;
  if (spec.precision >= 0) {
    const auto limit = static_cast<size_t>(spec.precision);
    shown = text.slice(0, character_offset(text.bytes(), limit));
  }
  const Side side = spec.alignment == '>'   ? Side::kRight
                    : spec.alignment == '^' ? Side::kBoth
                                            : Side::kLeft;
  return justify(shown, spec.width, Text(spec.fill, false), side, budget);
}

Status check_widths(const Specification& spec) {
  if (spec.width <= kMaxWidth && spec.precision <= 1000) {
    return Status();
  }
  return format_error(
      fmt::format("expected a width of at most {} and a precision of at most 1000", kMaxWidth));
}

class PercentFormatter {
 public:
  PercentFormatter(const Value& format, const Value& arguments, Runtime& runtime)
      : format_(format.text()), arguments_(arguments), runtime_(runtime) {}

  Result<Value> run() {
    ROTOR_TRY(runtime_.budget().transform(format_.size()));
    Text out;
    TextReader reader(format_);
    const std::string_view bytes = format_.bytes();
    for (;;) {
      const size_t percent = std::min(bytes.find('%', reader.position()), bytes.size());
      reader.copy_to(percent, out);
      if (reader.at_end()) {
        break;
      }
      size_t end = percent + 1;
      ROTOR_ASSIGN(const Text piece, conversion(end, reader.from_template()));
      ROTOR_TRY(runtime_.budget().allocate(piece.size()));
      out.append(piece);
      reader.skip_to(end);
    }
    // Python takes whatever has items, a tuple apart, for a mapping, which may have more than is
    // asked for.
    const bool may_have_more = arguments_.is(Kind::kDict) || arguments_.is(Kind::kUndefined) ||
                               (arguments_.is(Kind::kSequence) && !is_tuple());
    if (!may_have_more && next_ < given()) {
      return format_error("expected as many arguments as the format has conversions, got more");
    }
    return runtime_.make_text(std::move(out));
  }

 private:
  // Formats the conversion whose text begins at `at`, and moves `at` past it.
  Result<Text> conversion(size_t& at, bool from_template) {
    const std::string_view bytes = format_.bytes();
    const Value* named = nullptr;
    if (at < bytes.size() && bytes[at] == '(') {
      const size_t close = bytes.find(')', at);
      if (close == std::string_view::npos || !arguments_.is(Kind::kDict)) {
        return format_error("expected a dict to look %(name) up in");
      }
      named = arguments_.dict().find(bytes.substr(at + 1, close - at - 1));
      if (named == nullptr) {
        return format_error("expected the dict to have the key that the format names");
      }
      at = close + 1;
    }
    Specification spec;
    for (; at < bytes.size() && std::string_view("#0- +").find(bytes[at]) != std::string_view::npos;
         ++at) {
      const char flag = bytes[at];
      spec.alternate = spec.alternate || flag == '#';
      spec.zero_padded = spec.zero_padded || flag == '0';
      spec.alignment = flag == '-' ? '<' : spec.alignment;
      spec.sign = flag == '+' || flag == ' ' ? flag : spec.sign;
    }
    spec.width = take_number(bytes, at);
    if (at < bytes.size() && bytes[at] == '.') {
      ++at;
      spec.precision = take_number(bytes, at);
    }
    ROTOR_TRY(check_widths(spec));
    if (at == bytes.size()) {
      return format_error("expected a conversion after %, got the end of the format");
    }
    spec.type = bytes[at++];
    if (spec.type == '%') {
      return Text("%", from_template);
    }
    return convert(named, spec);
  }

  Result<Text> convert(const Value* named, Specification spec) {
    const Value* value = named;
    if (value == nullptr) {
      ROTOR_ASSIGN(value, next_argument());
    }
    Budget& budget = runtime_.budget();
    if (spec.type == 's') {
      ROTOR_ASSIGN(const TextRef text, to_text(*value, runtime_));
      spec.alignment = spec.alignment == '\0' ? '>' : spec.alignment;
      return format_text(*text, spec, budget);
    }
    if (spec.type == 'r') {
      Text text;
      ROTOR_TRY(append_repr(*value, budget, text));
      spec.alignment = spec.alignment == '\0' ? '>' : spec.alignment;
      return format_text(text, spec, budget);
    }
    if (std::string_view("diuxXofFeEgG").find(spec.type) == std::string_view::npos) {
      return format_error(
          fmt::format("expected a conversion that % has, got '{}'",
                      is_printable(static_cast<unsigned char>(spec.type)) ? spec.type : '?'));
    }
    if (!value->is_number()) {
      return format_error("expected a number to format, got " + std::string(type_name(*value)));
    }
    const bool wants_real = std::string_view("fFeEgG").find(spec.type) != std::string_view::npos;
    if (!wants_real && value->is(Kind::kReal)) {
      if (std::abs(value->real()) >= 0x1p63 || std::isnan(value->real())) {
        return format_error("expected a number that fits an integer of 64 bits");
      }
      return format_number(Value::integer(static_cast<int64_t>(value->real())), spec, budget);
    }
    return format_number(wants_real ? Value::real(value->real()) : *value, spec, budget);
  }

  bool is_tuple() const {
    return arguments_.is(Kind::kSequence) && arguments_.sequence().type == Sequence::Type::kTuple;
  }
  size_t given() const { return is_tuple() ? arguments_.sequence().items.size() : 1; }

  Result<const Value*> next_argument() {
    if (next_ >= given()) {
      return format_error("expected as many arguments as the format has conversions, got fewer");
    }
    const Value* value = is_tuple() ? &arguments_.sequence().items[next_] : &arguments_;
    ++next_;
    return value;
  }

  const Text& format_;
  const Value& arguments_;
  Runtime& runtime_;
  size_t next_ = 0;
};

// [[fill]align][sign][#][0][width][,][.precision][type]
Result<Specification> parse_specification(std::string_view text) {
  Specification spec;
  size_t at = 0;
  const auto is_alignment = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  const size_t first = text.empty() ? 0 : decode_utf8(text, 0).length;
  if (first < text.size() && is_alignment(text[first])) {
    spec.fill = text.substr(0, first);
    spec.alignment = text[first];
    at = first + 1;
  } else if (!text.empty() && is_alignment(text[0])) {
    spec.alignment = text[at++];
  }
  const auto skip = [&](char c) {
    return at < text.size() && text[at] == c ? (++at, true) : false;
  };
  if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) {
    spec.sign = text[at++];
  }
  spec.alternate = skip('#');
  spec.zero_padded = skip('0');
  spec.width = take_number(text, at);
  spec.thousands = skip(',');
  if (skip('.')) {
    spec.precision = take_number(text, at);
  }
  spec.type = at < text.size() ? text[at++] : '\0';
  if (at != text.size()) {
    return format_error("expected a format specification, got " + printable(text));
  }
  ROTOR_TRY(check_widths(spec));
  return spec;
}

}  // namespace

Result<Value> format_percent(const Value& format, const Value& arguments, Runtime& runtime) {
  return PercentFormatter(format, arguments, runtime).run();
}

namespace {

// One {field}, without its braces.
Result<Text> format_field(std::string_view field, std::span<const Value> positional,
                          std::span<const Keyword> keywords, size_t& next, Runtime& runtime) {
  const size_t colon = std::min(field.find(':'), field.size());
  const std::string_view name = field.substr(0, colon);
  const bool is_index =
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  const Value* value = nullptr;
  if (is_index) {
    size_t at = 0;
    const size_t index = name.empty() ? next++ : static_cast<size_t>(take_number(name, at));
    value = index < positional.size() ? &positional[index] : nullptr;
  } else {
    const auto found = std::find_if(keywords.begin(), keywords.end(),
                                    [&](const Keyword& k) { return k.name == name; });
    value = found != keywords.end() ? &found->value : nullptr;
  }
  if (value == nullptr) {
    return format_error("expected an argument for the field " + printable(name) + ", got none");
  }
  ROTOR_ASSIGN(const Specification spec,
               parse_specification(field.substr(std::min(colon + 1, field.size()))));
  if (value->is_number() && !value->is(Kind::kBool)) {
    return format_number(*value, spec, runtime.budget());
  }
  if (spec.type != '\0' && spec.type != 's') {
    return format_error("expected a number to format, got " + std::string(type_name(*value)));
  }
  ROTOR_ASSIGN(const TextRef text, to_text(*value, runtime));
  return format_text(*text, spec, runtime.budget());
}

}  // namespace

Result<Value> format_braces(const Value& format, std::span<const Value> positional,
                            std::span<const Keyword> keywords, Runtime& runtime) {
  const Text& text = format.text();
  const std::string_view bytes = text.bytes();
  ROTOR_TRY(runtime.budget().transform(text.size()));
  Text out;
  TextReader reader(text);
  size_t next = 0;
  for (;;) {
    const size_t brace = std::min(bytes.find_first_of("{}", reader.position()), bytes.size());
    reader.copy_to(brace, out);
    if (reader.at_end()) {
      return runtime.make_text(std::move(out));
    }
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
      reader.skip(1);
      reader.copy(1, out);
      continue;
    }
    const size_t close = bytes.find('}', brace);
    if (bytes[brace] == '}' || close == std::string_view::npos) {
      return format_error("expected { and } in pairs in the format");
    }
    ROTOR_ASSIGN(const Text piece, format_field(bytes.substr(brace + 1, close - brace - 1),
                                                positional, keywords, next, runtime));
    ROTOR_TRY(runtime.budget().allocate(piece.size()));
    out.append(piece);
    reader.skip_to(close + 1);
  }
}

}  // namespace rotor::jinja
