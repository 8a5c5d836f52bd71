// SPDX-License-Identifier: Apache-2.0
#include "io/gguf_override.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "io/quote_name.h"

namespace rotor {
namespace {

// All of `text` as a number.
template <typename T>
bool parse_number(std::string_view text, T& out) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && stop == text.data() + text.size();
}

}  // namespace

Result<GgufOverride> parse_gguf_override(std::string_view text) {
  const auto refuse = [&](std::string_view expected) {
    return invalid_argument(fmt::format("metadata override {}: expected {}", quote_name(text), expected));
  };
  const size_t equals = text.find('=');
  const size_t colon = text.find(':', equals == text.npos ? 0 : equals);
  if (equals == text.npos || equals == 0 || colon == text.npos) {
    return refuse("KEY=TYPE:VALUE");
  }
  GgufOverride out;
  out.key = text.substr(0, equals);
  const std::string_view type = text.substr(equals + 1, colon - equals - 1);
  const std::string_view value = text.substr(colon + 1);
  if (type == "int") {
    int64_t number = 0;
    if (!parse_number(value, number)) {
      return refuse("a whole number of 64 bits after int:");
    }
    out.value = number;
  } else if (type == "float") {
    double number = 0;
    if (!parse_number(value, number) || !std::isfinite(number)) {
      return refuse("a finite number after float:");
    }
    out.value = number;
  } else if (type == "bool") {
    if (value != "true" && value != "false") {
      return refuse("true or false after bool:");
    }
    out.value = value == "true";
  } else if (type == "str") {
    out.value = std::string(value);
  } else {
    return refuse("a type of int, float, bool or str");
  }
  return out;
}

}  // namespace rotor
