// SPDX-License-Identifier: Apache-2.0
// The ternary product on AMX for any packed layout, by panels (panels_avx512.h), whose rows are those of the
// second factor (amx_tiles.h). The end result of sums that wrap fits by the contract of TernaryMatmulArgs.
#pragma once

#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/panels_avx512.h"

namespace rotor::kernels {
namespace {

// Fewer vectors go to the vector unit: by count of instructions unpacking then costs more than it
// saves. Where exactly the two meet was not measured.
constexpr size_t kMinVectors = 5;
constexpr size_t kAmxPanelCols = 320;
constexpr size_t kAmxPanelBytes = kBlockRows * kAmxPanelCols;

// out (vectors, out_stride) += the product of x's first `cols` columns and the panels.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_panels(const uint8_t* panels, size_t cols, const int8_t* x, size_t x_stride,
                            size_t vectors, int32_t* out, size_t out_stride) {
  load_sums<kTwoGroups, kTwoBlocks>(out, out_stride);
  const size_t steps = cols / kStepCols;
  for (size_t s = 0; s < steps; ++s) {
    const uint8_t* codes = panels + kStepBytes * s;
    multiply_step<kTwoGroups, kTwoBlocks>(x + kStepCols * s, x_stride, codes, codes + kAmxPanelBytes);
  }
  if (const size_t left = cols % kStepCols; left != 0) {  // x may end here: read a copy
    alignas(64) int8_t copy[2 * kTileVectors * kStepCols] = {};
    for (size_t v = 0; v < vectors; ++v) {
      __builtin_memcpy(copy + kStepCols * v, x + v * x_stride + kStepCols * steps, left);
    }
    publish(copy);
    const uint8_t* codes = panels + kStepBytes * steps;
    multiply_step<kTwoGroups, kTwoBlocks>(copy, kStepCols, codes, codes + kAmxPanelBytes);
    publish(copy);
  }
  store_sums<kTwoGroups, kTwoBlocks>(out, out_stride);
}

// All vectors, 32 at a time, with the panels of one or two row blocks.
template <bool kTwoBlocks>
inline void multiply_vectors(const TernaryMatmulArgs& args, const uint8_t* panels, size_t col,
                             size_t cols, int32_t* out, Groups& groups) {
  for (size_t b = 0; b < args.batch; b += 2 * kTileVectors) {
    const size_t left = args.batch - b;
    const size_t vectors = left < 2 * kTileVectors ? left : 2 * kTileVectors;
    const int8_t* x = args.x + b * args.x_stride + col;
    int32_t* sums = out + b * args.out_stride;
    if (vectors > kTileVectors) {
      groups.use(kTileVectors, vectors - kTileVectors);
      multiply_panels<true, kTwoBlocks>(panels, cols, x, args.x_stride, vectors, sums,
                                        args.out_stride);
    } else {
      groups.use(vectors, 0);
      multiply_panels<false, kTwoBlocks>(panels, cols, x, args.x_stride, vectors, sums,
                                         args.out_stride);
    }
  }
}

template <typename Layout>
inline void matmul_amx(const TernaryMatmulArgs& args) {
  Groups groups;
  for_each_panel<Layout, kAmxPanelCols>(args, [&](const uint8_t* panels, size_t blocks, size_t col,
                                                  size_t cols, int32_t* out) {
    publish(panels);
    publish(out);
    if (blocks == 2) {
      multiply_vectors<true>(args, panels, col, cols, out, groups);
    } else {
      multiply_vectors<false>(args, panels, col, cols, out, groups);
    }
    publish(panels);
  });
  _tile_release();
}

}  // namespace
}  // namespace rotor::kernels
