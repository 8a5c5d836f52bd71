// SPDX-License-Identifier: Apache-2.0
#include "model/not_finite.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace rotor {
namespace {

// The largest exponent first, in a loop that vectorises: files are finite.
template <typename T>
size_t first_with(T exponent, std::span<const std::byte> numbers) {
  const size_t count = numbers.size() / sizeof(T);
  const auto exponent_at = [&](size_t i) {
    T bits;
    std::memcpy(&bits, numbers.data() + i * sizeof(T), sizeof(T));
    return static_cast<T>(bits & exponent);
  };
  T largest = 0;
  for (size_t i = 0; i < count; ++i) {
    largest = std::max(largest, exponent_at(i));
  }
  size_t i = largest == exponent ? 0 : count;
  while (i < count && exponent_at(i) != exponent) {
    ++i;
  }
  return i;
}

}  // namespace

size_t first_not_finite(FloatType type, std::span<const std::byte> numbers) {
  return type == FloatType::kF32   ? first_with<uint32_t>(0x7f800000u, numbers)
         : type == FloatType::kF16 ? first_with<uint16_t>(0x7c00u, numbers)
                                   : first_with<uint16_t>(0x7f80u, numbers);
}

}  // namespace rotor
