// SPDX-License-Identifier: Apache-2.0
#include "kernels/x86/bytes_avx512.h"
#include "kernels/x86/integer_peak_sums.h"

namespace rotor::kernels {
namespace {

struct Vnni {
  using Register = __m512i;
  static __m512i zero() { return _mm512_setzero_si512(); }
  static __m512i ones() { return _mm512_set1_epi8(1); }
  static __m512i multiply_add(__m512i sum, __m512i a, __m512i b) {
    sum = _mm512_dpbusd_epi32(sum, a, b);
    update_in_place(sum);
    return sum;
  }
  static void store(int32_t* lanes, __m512i sum) { _mm512_storeu_si512(lanes, sum); }
};

}  // namespace

uint64_t integer_peak_avx512vnni(uint64_t rounds) { return peak_of<Vnni>(rounds); }

}  // namespace rotor::kernels
