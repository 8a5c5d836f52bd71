// SPDX-License-Identifier: Apache-2.0
// Residues of 64 bytes, by which base-3 digits are taken apart.
#pragma once

#include <immintrin.h>

namespace rotor::kernels {
namespace {

// v mod m for v < 3m <= 256.
inline __m512i residue(__m512i v, int m) {
  const __m512i modulus = _mm512_set1_epi8(static_cast<char>(m));
  const __m512i once = _mm512_min_epu8(v, _mm512_sub_epi8(v, modulus));
  return _mm512_min_epu8(once, _mm512_sub_epi8(once, modulus));
}

}  // namespace
}  // namespace rotor::kernels
