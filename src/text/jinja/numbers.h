// SPDX-License-Identifier: Apache-2.0
// Reading and rounding numbers as Python's int(), float() and round() do.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "text/jinja/value.h"

namespace rotor::jinja {

// int(text, base); nullopt when it is no integer or does not fit 64 bits.
std::optional<int64_t> parse_integer(std::string_view text, int64_t base);
// float(text); nullopt when it is no number.
std::optional<double> parse_real(std::string_view text);

// round(number, precision): to the nearest decimal, the exact halfway case to even. A float for
// floats, an int for ints. REQUIRES: a number.
Result<Value> round_number(const Value& number, int64_t precision);

}  // namespace rotor::jinja
