// SPDX-License-Identifier: Apache-2.0
// Number syntax and decimal rounding.
#include "text/jinja/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "text/jinja/characters.h"
#include "text/unicode.h"

namespace rotor::jinja {
namespace {

std::string_view trim(std::string_view text) {
  text = trim_end(text);
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text, 0);
    if (!is_space(c.code_point)) {
      break;
    }
    text.remove_prefix(c.length);
  }
  return text;
}

bool is_word_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Without the underscores that part digits; nullopt when one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const bool between =
        i > 0 && i + 1 < text.size() && is_word_char(text[i - 1]) && is_word_char(text[i + 1]);
    if (!between) {
      return std::nullopt;
    }
  }
  return out;
}

char take_sign(std::string_view& text) {
  char sign = '+';
  if (text.starts_with('-') || text.starts_with('+')) {
    sign = text[0];
    text.remove_prefix(1);
  }
  return sign;
}

int base_of_prefix(std::string_view text) {
  if (text.size() < 3 || text[0] != '0') {
    return 0;
  }
  const char letter = static_cast<char>(text[1] | 0x20);
  return letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text, int64_t base) {
  text = trim(text);
  const char sign = take_sign(text);
  const int prefixed = base_of_prefix(text);
  if (prefixed != 0 && (base == 0 || base == prefixed)) {
    text.remove_prefix(2);
    base = prefixed;
  }
  if (base == 0) {
    base = 10;
  }
  const auto digits = without_underscores(text);
  if (base < 2 || base > 36 || !digits || digits->empty() || !is_word_char((*digits)[0])) {
    return std::nullopt;
  }
  const std::string signed_digits = (sign == '-' ? "-" : "") + *digits;
  int64_t value = 0;
  const char* end = signed_digits.data() + signed_digits.size();
  const auto parsed = std::from_chars(signed_digits.data(), end, value, static_cast<int>(base));
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

std::optional<double> parse_real(std::string_view text) {
  text = trim(text);
  const char sign = take_sign(text);
  const auto digits = without_underscores(text);
  // from_chars also reads "nan(...)", which Python does not.
  if (!digits || digits->empty() || (*digits)[0] == '-' || digits->find('(') != std::string::npos) {
    return std::nullopt;
  }
  double value = 0;
  const char* end = digits->data() + digits->size();
  const auto parsed = std::from_chars(digits->data(), end, value);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) {
    return std::nullopt;
  }
  if (parsed.ec == std::errc::result_out_of_range) {  // too large is infinite, too small is zero
    const bool is_small = digits->find("e-") != std::string::npos ||
                          digits->find("E-") != std::string::npos || digits->starts_with("0.");
    value = is_small ? 0 : HUGE_VAL;
  }
  return sign == '-' ? -value : value;
}

Result<Value> round_number(const Value& number, int64_t precision) {
  if (number.is_integer() && precision >= 0) {
    return Value::integer(number.integer(), number.from_template());
  }
  const double value = number.real();
  if (!std::isfinite(value) || precision > 330) {
    return number;
  }
  double rounded = 0;
  if (precision >= 0) {
    // Printing a binary64 with a fixed number of decimals rounds its exact value.
    const std::string decimal = fmt::format("{:.{}f}", value, static_cast<int>(precision));
    std::from_chars(decimal.data(), decimal.data() + decimal.size(), rounded);
  } else {
    const double unit = std::pow(10.0, static_cast<double>(std::min<int64_t>(-precision, 400)));
    rounded = std::isinf(unit) ? std::copysign(0.0, value) : std::nearbyint(value / unit) * unit;
  }
  if (number.is_integer() && std::abs(rounded) < 0x1p63) {
    return Value::integer(static_cast<int64_t>(rounded), number.from_template());
  }
  return Value::real(rounded, number.from_template());
}

}  // namespace rotor::jinja
