// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, for AVX-512 VNNI.
#include "kernels/x86/bytes_avx512.h"
#include "kernels/x86/rest_dots_registers.h"

namespace rotor::kernels {
namespace {

struct Level {
  using Vector = __m512i;
  static constexpr size_t kBytes = 64;

  static __m512i load(const void* bytes) { return _mm512_loadu_si512(bytes); }
  static __m512i field(__m512i bytes, size_t f) {
    const __m128i count = _mm_cvtsi32_si128(static_cast<int>(2 * f));
    return _mm512_and_si512(_mm512_srl_epi16(bytes, count), field_mask(0));
  }
  static __m512i add(__m512i sum, __m512i rests, __m512i x) {
    return _mm512_dpbusd_epi32(sum, rests, x);
  }
  static int32_t total(__m512i sum) { return _mm512_reduce_add_epi32(sum); }
};

}  // namespace

void rest_dots_avx512vnni(const RestDotsArgs& args) { rest_dots_registers<Level>(args); }

}  // namespace rotor::kernels
