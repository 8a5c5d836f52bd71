// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AVX-512 VNNI: one register holds 16 rows by 4 columns, and vpdpbusd
// multiplies the codes of a row with four values of x that all rows share.
#include "kernels/x86/bytes_avx512.h"
#include "kernels/x86/code_dots_blocks.h"
#include "kernels/x86/code_groups_avx512.h"

namespace rotor::kernels {
namespace {

// Even and odd columns have their own sums: with few vectors vpdpbusd would wait for itself.
struct Level {
  using Vector = __m512i;
  static constexpr size_t kVectorTile = 8;  // 16 sums
  static constexpr size_t kParts = 1;

  static void unpack(const uint8_t* group, size_t, __m512i (&codes)[kGroupTiles]) {
    unpack_group(group, codes);
  }
  static __m512i add(__m512i sum, __m512i codes, __m512i x) {
    sum = _mm512_dpbusd_epi32(sum, codes, x);
    update_in_place(sum);
    return sum;
  }
  static void store(const __m512i (&sums)[kSums], int32_t* out) {
    _mm512_storeu_si512(out, _mm512_add_epi32(sums[0], sums[1]));
  }
};

}  // namespace

void code_dots_avx512vnni(const CodeDotsArgs& args) { code_dots_blocks<Level>(args); }

}  // namespace rotor::kernels
