// SPDX-License-Identifier: Apache-2.0
// The noise of the draw: argmax(x_i + Gumbel_i) picks i with probability softmax(x)_i when the
// Gumbel_i are independent. Here each is a function of (seed, sample, position, token) alone, so a
// draw does not depend on which other tokens were looked at, in what order, or by whom.
#pragma once

#include <rotor/token.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/exp_log.h"
#include "base/philox.h"

namespace rotor {

// What is drawn: the token at `position` (tokens before it) of the `sample`-th answer.
struct DrawKey {
  uint64_t seed;
  uint32_t sample;
  uint32_t position;
};

// 64 random bits of one token. The last counter word is 0; other values are free for other uses.
inline uint64_t gumbel_bits(const DrawKey& key, TokenId token) {
  return philox_bits({static_cast<uint32_t>(token), key.position, key.sample, 0}, key.seed);
}

// -ln(-ln(u)) for u = 1 - v, v = (2 t + 1) / 2^53, t the upper 52 bits: u is exact, never 0 or 1,
// and finest near 1, where the largest noise comes from. Range about (-3.61, 36.74).
inline double gumbel_from_bits(uint64_t bits) {
  const double v = static_cast<double>((bits >> 12) * 2 + 1) * 0x1p-53;
  return -portable_log(-portable_log(1.0 - v));
}

// An upper bound of gumbel_from_bits() without logarithms, for bits that begin with at most `zeros`
// zeros: -ln(1 - v) >= v >= 2^-(zeros + 1), so the noise is at most (zeros + 1) ln 2. The factor is
// ln 2 rounded up by more than all rounding.
inline double gumbel_bound_of_zeros(int zeros) {
  constexpr double kLn2Above = 0.6931472;
  return (zeros + 1) * kLn2Above;
}

inline double gumbel_bound(uint64_t bits) { return gumbel_bound_of_zeros(std::countl_zero(bits)); }

// A draw by temperature: the token is argmax of draw_score() with the noise of the key, ties to the
// lower id.
struct TokenDraw {
  DrawKey key;
  double temperature;  // finite, > 0
};

// Rises with the logit and with the noise, or stays: division and addition are rounded, and rounding
// keeps order. So a bound of either gives a bound of the score, and exact bits of both its bits.
inline double draw_score(double logit, double temperature, double noise) {
  return logit / temperature + noise;
}

}  // namespace rotor
