// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/x86/large_noise_lanes.h"

namespace rotor::kernels {
namespace {

struct Level {
  using Vector = __m512i;
  static constexpr uint32_t kLanes = 8;
  static constexpr uint32_t kChains = 4;

  static Vector broadcast(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
  static Vector count_up(uint32_t first) {
    return _mm512_add_epi64(broadcast(first), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_epu32(a, b); }
  static Vector high(Vector v) { return _mm512_srli_epi64(v, 32); }
  static Vector xor3(Vector a, Vector b, Vector c) {
    return _mm512_ternarylogic_epi64(a, b, c, 0x96);
  }
  static uint32_t begins_with(Vector high, Vector low, uint64_t mask) {
    const Vector bits = _mm512_mask_blend_epi32(0xaaaa, low, _mm512_slli_epi64(high, 32));
    return _mm512_testn_epi64_mask(bits, broadcast(mask));
  }
};

}  // namespace

size_t large_noise_avx512vnni(const LargeNoiseArgs& args) { return large_noise_lanes<Level>(args); }

}  // namespace rotor::kernels
