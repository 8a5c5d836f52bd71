// SPDX-License-Identifier: Apache-2.0
// The `attribute` argument of filters: "function.name" or "0.id" or 2 walks items from an element.
#pragma once

#include <rotor/status.h>

#include <vector>

#include "text/jinja/native.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

class AttributePath {
 public:
  // The empty path: the element itself.
  AttributePath() = default;

  static Result<AttributePath> parse(const Value& attribute, Budget& budget);
  // Of parameter i of a call; empty when it was not given or is None.
  static Result<AttributePath> parse(NativeCall& call, size_t i);
  // The same for several paths parted by commas; one at least.
  static Result<std::vector<AttributePath>> parse_several(NativeCall& call, size_t i);

  // What is found at the end. `fallback`, unless null, replaces what is undefined on the way.
  Result<Value> get(Value element, Runtime& runtime, const Value* fallback = nullptr) const;

 private:
  std::vector<Value> parts_;  // text or integers
};

}  // namespace rotor::jinja
