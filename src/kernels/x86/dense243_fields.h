// SPDX-License-Identifier: Apache-2.0
// The base-3 digits of 64 bytes by AVX-512 VBMI: four of a byte's five digits from a table of 81.
#pragma once

#include <cstdint>

#include "kernels/x86/residue.h"

namespace rotor::kernels {
namespace {

// fields[v] for v < 81: digits 0 to 3 of v, two bits each.
struct alignas(64) FieldTable {
  uint8_t fields[128] = {};

  constexpr FieldTable() {
    for (unsigned v = 0; v < 81; ++v) {
      fields[v] = static_cast<uint8_t>(v % 3 | v / 3 % 3 << 2 | v / 9 % 3 << 4 | v / 27 << 6);
    }
  }
};
constexpr FieldTable kFieldTable;

struct FieldLookup {
  __m512i low = _mm512_load_si512(kFieldTable.fields);
  __m512i high = _mm512_load_si512(kFieldTable.fields + 64);

  __m512i operator()(__m512i v81) const { return _mm512_permutex2var_epi8(low, v81, high); }
};

}  // namespace
}  // namespace rotor::kernels
