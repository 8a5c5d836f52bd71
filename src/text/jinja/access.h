// SPDX-License-Identifier: Apache-2.0
// Attributes, items, slices, iteration and length, by the rules of Jinja2's sandboxed environment:
// what is missing is Undefined, what changes a list or dict is not there, and nothing has internal
// attributes.
#pragma once

#include <rotor/status.h>

#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

// What to say when an undefined value is used in a way that needs one.
Status undefined_error(const Expr* origin);

// object.name: a method or attribute first, then the item of that name. `origin` explains the
// Undefined that results when there is neither.
Result<Value> get_attribute(const Value& object, std::string_view name, const Expr* origin,
                            Runtime& runtime);
// object[key]: an item first, then the method or attribute of that name.
Result<Value> get_item(const Value& object, const Value& key, const Expr* origin, Runtime& runtime);
// object[start:stop:step]; undefined bounds must be passed as None.
Result<Value> get_slice(const Value& object, const Value& start, const Value& stop,
                        const Value& step, Runtime& runtime);

// The elements that a for loop visits. Marks a generator as used.
Result<SequenceRef> iterate(const Value& value, Runtime& runtime);
// len(value)
Result<int64_t> length(const Value& value, Runtime& runtime);

}  // namespace rotor::jinja
