// SPDX-License-Identifier: Apache-2.0
// Python's str() and repr(). Characters of text keep their origin; what is made up around them
// (digits, brackets, quotes) counts as input unless the template alone made the value.
#pragma once

#include <rotor/status.h>

#include <string>

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

// str(value)
Result<TextRef> to_text(const Value& value, Runtime& runtime);
Status append_repr(const Value& value, Budget& budget, Text& out);

// repr() of a float: the shortest digits that read back as the same number.
std::string format_real(double value);

}  // namespace rotor::jinja
