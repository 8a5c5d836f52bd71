// SPDX-License-Identifier: Apache-2.0
// The search for code 3: a whole block at a time, then byte by byte where one was found.
#include "io/codes.h"

#include <algorithm>

namespace rotor {

std::optional<size_t> find_code_3(const uint8_t* packed, size_t bytes) {
  constexpr size_t kStep = 4096;
  const auto has_code_3 = [](uint8_t byte) { return (byte & (byte >> 1) & 0x55) != 0; };
  for (size_t begin = 0; begin < bytes; begin += kStep) {
    const size_t end = std::min(begin + kStep, bytes);
    unsigned found = 0;
    for (size_t i = begin; i < end; ++i) {
      found |= packed[i] & (packed[i] >> 1);
    }
    if ((found & 0x55) != 0) {
      return static_cast<size_t>(std::find_if(packed + begin, packed + end, has_code_3) - packed);
    }
  }
  return std::nullopt;
}

}  // namespace rotor
