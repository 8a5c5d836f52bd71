// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AVX-512 VNNI: one register holds a tile, 16 rows by 4 columns, and
// vpdpbusd multiplies the codes of a row with four values of x that all rows share.
#include "kernels/x86/bytes_avx512.h"
#include "kernels/x86/code_dots_blocks.h"

namespace rotor::kernels {
namespace {

struct Level {
  static constexpr size_t kVectorTile = 8;  // 16 accumulators
  static constexpr size_t kStepTiles = 2;

  // Even and odd tiles have their own sums: with few vectors vpdpbusd would wait for itself.
  template <size_t kVectors>
  struct Sums {
    __m512i even[kVectors] = {};
    __m512i odd[kVectors] = {};

    void add(const uint8_t* tiles, const int8_t* x, size_t x_stride) {
      prefetch(tiles + kPrefetchBytes);
      prefetch(tiles + 64 + kPrefetchBytes);
      add_tile(_mm512_load_si512(tiles), x, x_stride, even);
      add_tile(_mm512_load_si512(tiles + 64), x + 4, x_stride, odd);
    }
    static void add_tile(__m512i codes, const int8_t* x, size_t x_stride,
                         __m512i (&sums)[kVectors]) {
      for (size_t v = 0; v < kVectors; ++v) {
        sums[v] = _mm512_dpbusd_epi32(sums[v], codes, broadcast4(x + v * x_stride));
        update_in_place(sums[v]);
      }
    }
    void store(size_t v, int32_t* out) const {
      _mm512_storeu_si512(out, _mm512_add_epi32(even[v], odd[v]));
    }
  };
};

}  // namespace

void code_dots_avx512vnni(const CodeDotsArgs& args) { code_dots_blocks<Level>(args); }

}  // namespace rotor::kernels
