// SPDX-License-Identifier: Apache-2.0
// Arithmetic on sizes that come from files: nullopt instead of wrapping around.
#pragma once

#include <cstdint>
#include <optional>

namespace rotor {

inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional<uint64_t>(sum);
}

inline std::optional<uint64_t> checked_multiply(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional<uint64_t>(product);
}

// The smallest multiple of `alignment` that is >= value. REQUIRES: alignment is a power of two.
inline std::optional<uint64_t> checked_align_up(uint64_t value, uint64_t alignment) {
  const auto sum = checked_add(value, alignment - 1);
  return sum ? std::optional<uint64_t>(*sum & ~(alignment - 1)) : std::nullopt;
}

}  // namespace rotor
