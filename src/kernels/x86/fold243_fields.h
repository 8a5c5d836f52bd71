// SPDX-License-Identifier: Apache-2.0
// The five digits of 64 fold243 bytes by AVX-512 VBMI: tables of 64 entries by a byte's low six bits,
// one for bytes below 192 and two for the rest (docs/formats/fold243.md).
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace rotor::kernels {
namespace {

constexpr uint8_t kRest = 192;  // bytes from here on hold what does not fit 64 entries

struct alignas(64) FoldTables {
  uint8_t fields[64] = {};       // digits 0 to 3 of a byte below kRest, two bits each
  uint8_t rest_fields[64] = {};  // of kRest + i
  uint8_t rest_last[64] = {};    // 64 times digit 4 of kRest + i

  constexpr FoldTables() {
    for (unsigned i = 0; i < 64; ++i) {
      fields[i] = fields_of(i);
      rest_fields[i] = fields_of(64 + i % 17);
      rest_last[i] = static_cast<uint8_t>(64 * (i / 17 < 3 ? i / 17 : 0));
    }
  }
  static constexpr uint8_t fields_of(unsigned v) {
    return static_cast<uint8_t>(v % 3 | v / 3 % 3 << 2 | v / 9 % 3 << 4 | v / 27 % 3 << 6);
  }
};
constexpr FoldTables kFoldTables;

struct FoldLookup {
  __m512i fields = _mm512_load_si512(kFoldTables.fields);
  __m512i rest_fields = _mm512_load_si512(kFoldTables.rest_fields);
  __m512i rest_last = _mm512_load_si512(kFoldTables.rest_last);
};

struct Unfolded {
  __m512i fields;  // digits 0 to 3, two bits each
  __m512i last;    // 64 times digit 4
};

inline Unfolded unfold(__m512i v) {
  const FoldLookup table;
  const __mmask64 rest = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8(static_cast<char>(kRest)));
  const __m512i fields = _mm512_permutexvar_epi8(v, table.fields);
  const __m512i last = _mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(kRest)));
  return {_mm512_mask_permutexvar_epi8(fields, rest, v, table.rest_fields),
          _mm512_mask_permutexvar_epi8(last, rest, v, table.rest_last)};
}

}  // namespace
}  // namespace rotor::kernels
