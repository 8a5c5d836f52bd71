// SPDX-License-Identifier: Apache-2.0
// Escaping of untrusted names.
#include "io/quote_name.h"

#include <fmt/format.h>

namespace rotor {

std::string quote_name(std::string_view name) {
  constexpr size_t kMaxShown = 100;
  std::string text = "\"";
  for (const char c : name.substr(0, kMaxShown)) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  text += '"';
  if (name.size() > kMaxShown) {
    text += fmt::format("... ({} bytes)", name.size());
  }
  return text;
}

}  // namespace rotor
