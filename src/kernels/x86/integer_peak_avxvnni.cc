// SPDX-License-Identifier: Apache-2.0
#include "kernels/x86/bytes_avx2.h"
#include "kernels/x86/integer_peak_sums.h"

namespace rotor::kernels {
namespace {

struct Vnni {
  using Register = __m256i;
  static __m256i zero() { return _mm256_setzero_si256(); }
  static __m256i ones() { return _mm256_set1_epi8(1); }
  static __m256i multiply_add(__m256i sum, __m256i a, __m256i b) {
    sum = _mm256_dpbusd_avx_epi32(sum, a, b);
    update_in_place(sum);
    return sum;
  }
  static void store(int32_t* lanes, __m256i sum) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sum);
  }
};

}  // namespace

uint64_t integer_peak_avxvnni(uint64_t rounds) { return peak_of<Vnni>(rounds); }

}  // namespace rotor::kernels
