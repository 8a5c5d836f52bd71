// SPDX-License-Identifier: Apache-2.0
// The codes of the coarse head (CodeDotsArgs) on AVX-512.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace rotor::kernels {
namespace {

// codes (4): 16 rows by four columns each, of one group.
inline void unpack_group(const uint8_t* group, __m512i (&codes)[4]) {
  const __m512i low6 = _mm512_set1_epi8(0x3f);
  const __m512i a = _mm512_load_si512(group);
  const __m512i b = _mm512_load_si512(group + 64);
  const __m512i c = _mm512_load_si512(group + 128);
  codes[0] = _mm512_and_si512(a, low6);
  codes[1] = _mm512_and_si512(b, low6);
  codes[2] = _mm512_and_si512(c, low6);
  // What 16-bit shifts bring over from a neighbour falls outside the masks.
  constexpr int kSelect = 0xca;  // by the bits of the first operand, the second or the third
  __m512i last = _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x0c), _mm512_srli_epi16(b, 4),
                                           _mm512_srli_epi16(a, 6), kSelect);
  last = _mm512_ternarylogic_epi32(_mm512_set1_epi8(0x30), _mm512_srli_epi16(c, 2), last, kSelect);
  codes[3] = _mm512_and_si512(last, low6);
}

}  // namespace
}  // namespace rotor::kernels
