// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace rotor {

// The least multiple of `multiple` that is not below `value`. REQUIRES: it fits a size_t.
constexpr size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace rotor
