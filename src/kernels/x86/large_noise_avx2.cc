// SPDX-License-Identifier: Apache-2.0
#include <immintrin.h>

#include "kernels/x86/large_noise_lanes.h"

namespace rotor::kernels {
namespace {

struct Level {
  using Vector = __m256i;
  static constexpr uint32_t kLanes = 4;
  static constexpr uint32_t kChains = 2;  // registers for more are missing

  static Vector broadcast(uint64_t x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
  static Vector count_up(uint32_t first) {
    return _mm256_add_epi64(broadcast(first), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_epu32(a, b); }
  static Vector high(Vector v) { return _mm256_srli_epi64(v, 32); }
  static Vector xor3(Vector a, Vector b, Vector c) {
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
  }
  static uint32_t begins_with(Vector high, Vector low, uint64_t mask) {
    const Vector bits = _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
    const Vector none = _mm256_cmpeq_epi64(_mm256_and_si256(bits, broadcast(mask)), broadcast(0));
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(none)));
  }
};

}  // namespace

size_t large_noise_avx2(const LargeNoiseArgs& args) { return large_noise_lanes<Level>(args); }

}  // namespace rotor::kernels
