// SPDX-License-Identifier: Apache-2.0
// Bytes of five ternary digits as ggml and its forks keep them: of the number q, 0 to 242, the byte
// is ceil(256 q / 243), so that its digits come off the top by multiplying with 3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rotor {

inline constexpr uint8_t kNoBase3Number = 255;

// Entry b: the number whose byte is b, or kNoBase3Number for the 13 bytes that are none.
inline constexpr std::array<uint8_t, 256> kBase3Numbers = [] {
  std::array<uint8_t, 256> numbers{};
  numbers.fill(kNoBase3Number);
  for (unsigned number = 0; number < 243; ++number) {
    numbers[(number * 256 + 242) / 243] = static_cast<uint8_t>(number);
  }
  return numbers;
}();

// The trit of digit `place` from the top, 0 to 4, of a byte that is a number.
inline int8_t base3_trit(uint8_t byte, size_t place) {
  constexpr uint8_t kPowers[] = {1, 3, 9, 27, 81};
  const auto rest = static_cast<uint8_t>(byte * kPowers[place]);
  return static_cast<int8_t>(((rest * 3) >> 8) - 1);
}

}  // namespace rotor
