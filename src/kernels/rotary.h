// SPDX-License-Identifier: Apache-2.0
// Angles of the rotary position embedding, computed in binary64 with own sine, cosine, exponential
// and logarithm (docs/numerics.md), so that no mathematics library has a say in the bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rotor {

// powers[i] = theta^(2i / head_dim) for i < head_dim / 2, with the exponent and the power each rounded
// to binary32 as the reference implementations do. REQUIRES: 1 <= theta < 2^64, head_dim even.
void rotary_powers(double theta, size_t head_dim, float* powers);

// inv_freq[i] = 1 / powers[i].
void rotary_inverse_frequencies(double theta, size_t head_dim, float* inv_freq);

// cos[i], sin[i] of the angle float(position) * inv_freq[i], rounded to binary32.
// REQUIRES: 0 <= inv_freq[i] <= 1, position <= 2^24, so that float(position) is exact.
void rotary_angles(uint32_t position, const float* inv_freq, size_t half_dim, float* cos,
                   float* sin);

}  // namespace rotor
