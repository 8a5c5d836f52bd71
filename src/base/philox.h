// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10: random bits as a function of a counter and a key, so that any draw can be computed
// alone and in any order. Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>

#include "base/philox_constants.h"

namespace rotor {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// Four words of random bits; different counters or keys give independent words.
constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t product0 = kPhiloxMultiplier0 * counter[0];
    const uint64_t product1 = kPhiloxMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key = {key[0] + kPhiloxWeyl0, key[1] + kPhiloxWeyl1};
  }
  return counter;
}

// The first two of them as one number, for a key in one number.
constexpr uint64_t philox_bits(PhiloxCounter counter, uint64_t key) {
  const PhiloxCounter words =
      philox4x32(counter, {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
  return uint64_t{words[1]} << 32 | words[0];
}

}  // namespace rotor
