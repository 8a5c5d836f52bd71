// SPDX-License-Identifier: Apache-2.0
// Python's json.dumps as the filter `tojson` of Hugging Face's templates calls it. Characters of
// text keep their origin, escaped or not; everything else counts as input.
#pragma once

#include <rotor/status.h>

#include <optional>
#include <string>

#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace rotor::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // one level of it; none prints on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

Result<Text> dump_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace rotor::jinja
