// SPDX-License-Identifier: Apache-2.0
// Python's two ways to format: the operator % and str.format(). Text that is inserted keeps its
// origin, as do the characters of the format; numbers and padding count as input.
#pragma once

#include <rotor/status.h>

#include <span>

#include "text/jinja/native.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

// format % arguments, where a tuple is several arguments and a dict is looked up by %(name)s.
Result<Value> format_percent(const Value& format, const Value& arguments, Runtime& runtime);

// format.format(*positional, **keywords): {} {0} {name}, each with an optional :specification.
// Attributes and items of arguments, as in {0.name}, are refused.
Result<Value> format_braces(const Value& format, std::span<const Value> positional,
                            std::span<const Keyword> keywords, Runtime& runtime);

}  // namespace rotor::jinja
