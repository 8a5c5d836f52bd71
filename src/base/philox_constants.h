// SPDX-License-Identifier: Apache-2.0
// Constants of Philox4x32-10, also for files compiled for one instruction set.
#pragma once

#include <cstdint>

namespace rotor {

inline constexpr int kPhiloxRounds = 10;
inline constexpr uint64_t kPhiloxMultiplier0 = 0xD2511F53;
inline constexpr uint64_t kPhiloxMultiplier1 = 0xCD9E8D57;
inline constexpr uint32_t kPhiloxWeyl0 = 0x9E3779B9;  // fraction of the golden ratio
inline constexpr uint32_t kPhiloxWeyl1 = 0xBB67AE85;  // fraction of the square root of 3

}  // namespace rotor
