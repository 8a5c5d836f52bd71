// SPDX-License-Identifier: Apache-2.0
// The search for infinities and NaN among numbers as files hold them.
#pragma once

#include <cstddef>
#include <span>

#include "model/weights.h"

namespace rotor {

// The index of the first number that is infinite or NaN, or how many there are.
// REQUIRES: is_plain_float(type); whole numbers of it.
size_t first_not_finite(FloatType type, std::span<const std::byte> numbers);

}  // namespace rotor
