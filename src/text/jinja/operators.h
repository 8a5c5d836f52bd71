// SPDX-License-Identifier: Apache-2.0
// Python's operators on values. What visits elements or bytes pays the budget for them, because
// shared elements can make a small value exponentially large to walk.
#pragma once

#include <rotor/status.h>

#include <string>

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

bool truth(const Value& value);
Result<bool> equal(const Value& a, const Value& b, Budget& budget);
// a < b; an error for types Python does not order.
Result<bool> less(const Value& a, const Value& b, Budget& budget);
// item in container
Result<bool> contains(const Value& container, const Value& item, Runtime& runtime);
Result<bool> compare(Operator op, const Value& a, const Value& b, Runtime& runtime);

// REQUIRES: an arithmetic operator. Takes `left` by value to append in place when it can.
Result<Value> arithmetic(Operator op, Value left, const Value& right, Runtime& runtime);
Result<Value> negate(const Value& value, bool is_negative);

// A string that is the same for keys Python holds equal (1, 1.0 and True) and for no others: the
// bytes of text, and for the rest a form that is not UTF-8. An error for unhashable values.
Result<std::string> encode_key(const Value& key, Budget& budget);

}  // namespace rotor::jinja
