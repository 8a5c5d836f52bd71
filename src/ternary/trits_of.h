// SPDX-License-Identifier: Apache-2.0
// Random trits, and the layouts read trit by trit as docs/formats/ describes them. Test code.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "ternary/format.h"

namespace rotor {

inline std::vector<int8_t> random_trits(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int8_t> trits(count);
  for (int8_t& trit : trits) {
    trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  }
  return trits;
}

// Trit (r, c) of a row block, read bit by bit as docs/formats/ describes it.
inline int trit_at(TernaryFormat format, const uint8_t* packed, size_t r, size_t c) {
  switch (format) {
    case TernaryFormat::kI2: {
      const uint8_t byte = packed[c / 16 * 64 + 4 * r + c % 4];
      return (byte >> (2 * (c % 16 / 4)) & 3) - 1;
    }
    case TernaryFormat::kDense243: {
      constexpr int kPowers[] = {1, 3, 9, 27, 81};
      const uint8_t byte = packed[c / 20 * 64 + 4 * r + c % 4];
      return byte / kPowers[c % 20 / 4] % 3 - 1;
    }
    case TernaryFormat::kFold243: {
      constexpr int kPowers[] = {1, 3, 9, 27};
      const int byte = packed[c / 20 * 64 + 4 * r + c % 4];
      const int low = byte < 192 ? byte % 64 : 64 + (byte - 192) % 17;
      const int top = byte < 192 ? byte / 64 : (byte - 192) / 17;
      const size_t d = c % 20 / 4;
      return (d == 4 ? top : low / kPowers[d] % 3) - 1;
    }
    case TernaryFormat::kPlanes2: {
      const uint8_t* tile = packed + c / 16 * 64;
      const size_t bit = 64 * (c % 16 / 4) + 4 * r + c % 4;
      const int nonzero = tile[bit / 8] >> bit % 8 & 1;
      const int negative = tile[32 + bit / 8] >> bit % 8 & 1;
      return negative != 0 ? -nonzero : nonzero;
    }
  }
  return 99;
}

}  // namespace rotor
