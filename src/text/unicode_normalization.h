// SPDX-License-Identifier: Apache-2.0
// The four normal forms of Unicode.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rotor {

enum class NormalForm : uint8_t {
  kNfc,   // canonical composition
  kNfd,   // canonical decomposition
  kNfkc,  // compatibility decomposition, then composition
  kNfkd,  // compatibility decomposition
};

// Bytes that are not UTF-8 stay as they are and separate what is around them. Takes time linear in
// the text but for sorting runs of combining marks, O(n log n).
std::string normalize(std::string_view text, NormalForm form);

}  // namespace rotor
