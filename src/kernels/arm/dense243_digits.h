// SPDX-License-Identifier: Apache-2.0
// The five digits of 16 dense243 bytes, 4 rows of a tile, by NEON: as for AVX2
// (x86/dense243_digits.h, which says why).
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

constexpr size_t kDigits = 5;

// v mod m for v < 3m <= 256.
inline uint8x16_t residue(uint8x16_t v, uint8_t m) {
  const uint8x16_t modulus = vdupq_n_u8(m);
  const uint8x16_t once = vminq_u8(v, vsubq_u8(v, modulus));
  return vminq_u8(once, vsubq_u8(once, modulus));
}

inline uint8x16_t two_low_bits(uint8x16_t v) { return vandq_u8(v, vdupq_n_u8(3)); }

inline void digits_of(uint8x16_t v, uint8x16_t (&digit)[kDigits]) {
  const uint8x16_t last = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0};
  const uint8x16_t thirds = {0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0};
  const uint8x16_t v81 = residue(v, 81);
  const uint8x16_t v27 = residue(v81, 27);
  const uint8x16_t v9 = residue(v27, 9);
  digit[0] = vqtbl1q_u8(last, v9);
  digit[1] = vqtbl1q_u8(thirds, v9);
  digit[2] = two_low_bits(vsubq_u8(v27, v9));
  digit[3] = two_low_bits(vsubq_u8(v27, v81));
  digit[4] = two_low_bits(vsubq_u8(v, v81));
}

}  // namespace
}  // namespace rotor::kernels
