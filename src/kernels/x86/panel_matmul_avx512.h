// SPDX-License-Identifier: Apache-2.0
// The ternary product of many vectors for AVX-512 VNNI: weights are unpacked once for all of them, into panels
// (panels_avx512.h). A register of codes, 16 rows by 4 columns, is multiplied with 12 vectors, and what
// is loaded of a vector with two row blocks. Codes are at most 2, so that no sum has to be brought to scale;
// sums that wrap fit in the end by the contract of TernaryMatmulArgs.
#pragma once

#include "kernels/vector_tiles.h"
#include "kernels/x86/bytes_avx512.h"
#include "kernels/x86/panels_avx512.h"

namespace rotor::kernels {
namespace {

constexpr size_t kPanelCols = 640;    // two panels take 20 KiB; 320 columns were 3 % slower
constexpr size_t kPanelBytes = kBlockRows * kPanelCols;
constexpr size_t kPanelVectors = 12;  // 24 sums
constexpr size_t kPanelBatch = 16;    // with fewer vectors unpacking costs more than it saves

// out (kVectors, out_stride) += the products of x's first `cols` columns and the panels. Of its own because
// GCC 12 keeps sums in memory where several of these end up in one function.
template <size_t kBlocks, size_t kVectors>
[[gnu::noinline]] void add_panels(const uint8_t* panels, size_t cols, const int8_t* x, size_t x_stride,
                                  int32_t* out, size_t out_stride) {
  __m512i sums[kVectors][kBlocks];
#pragma GCC unroll 12
  for (size_t v = 0; v < kVectors; ++v) {
#pragma GCC unroll 2
    for (size_t i = 0; i < kBlocks; ++i) {
      sums[v][i] = _mm512_loadu_si512(out + v * out_stride + i * kBlockRows);
    }
  }
  for (size_t c = 0; c < cols; c += 4) {
    __m512i codes[kBlocks];
#pragma GCC unroll 2
    for (size_t i = 0; i < kBlocks; ++i) {
      codes[i] = _mm512_load_si512(panels + i * kPanelBytes + kBlockRows * c);
    }
#pragma GCC unroll 12
    for (size_t v = 0; v < kVectors; ++v) {
      const __m512i four = broadcast4(x + v * x_stride + c);
#pragma GCC unroll 2
      for (size_t i = 0; i < kBlocks; ++i) {
        sums[v][i] = _mm512_dpbusd_epi32(sums[v][i], codes[i], four);
        update_in_place(sums[v][i]);
      }
    }
  }
#pragma GCC unroll 12
  for (size_t v = 0; v < kVectors; ++v) {
#pragma GCC unroll 2
    for (size_t i = 0; i < kBlocks; ++i) {
      _mm512_storeu_si512(out + v * out_stride + i * kBlockRows, sums[v][i]);
    }
  }
}

template <typename Layout>
inline void matmul_panels(const TernaryMatmulArgs& args) {
  for_each_panel<Layout, kPanelCols>(args, [&](const uint8_t* panels, size_t blocks, size_t col,
                                               size_t cols, int32_t* out) {
    vector_tiles<kPanelVectors>(args.batch, [&]<size_t kVectors>(size_t first) {
      const int8_t* x = args.x + first * args.x_stride + col;
      int32_t* sums = out + first * args.out_stride;
      if (blocks == 2) {
        add_panels<2, kVectors>(panels, cols, x, args.x_stride, sums, args.out_stride);
      } else {
        add_panels<1, kVectors>(panels, cols, x, args.x_stride, sums, args.out_stride);
      }
    });
  });
}

}  // namespace
}  // namespace rotor::kernels
