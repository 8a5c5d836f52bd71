// SPDX-License-Identifier: Apache-2.0
// A metadata value that holds in place of a GGUF file's, in the words that llama.cpp's users know:
// KEY=TYPE:VALUE with a type of int, float, bool or str.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace rotor {

struct GgufOverride {
  std::string key;
  std::variant<int64_t, double, bool, std::string> value;
};

// kInvalidArgument, quoting `text`, where it is no KEY=TYPE:VALUE, the type is unknown or the value
// is none of its type. A float is finite.
Result<GgufOverride> parse_gguf_override(std::string_view text);

}  // namespace rotor
