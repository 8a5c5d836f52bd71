// SPDX-License-Identifier: Apache-2.0
// TokenId: the number of an entry of a vocabulary. Valid ids are 0 .. vocabulary size - 1.
#pragma once

#include <cstdint>

namespace rotor {

using TokenId = int32_t;

// "There is no such token": an absent begin-of-text id, a failed look-up.
inline constexpr TokenId kNoToken = -1;

}  // namespace rotor
