// SPDX-License-Identifier: Apache-2.0
// The frame of what the scan of the coarse head left out of a row. A register of a Level holds kBytes
// bytes; field(bytes, f) are the rests at bit 2 f; add(sum, rests, x) adds the products of four neighbouring
// bytes to their 32-bit lane; total(sum) adds the lanes up.
#pragma once

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

template <typename Level>
inline void rest_dots_registers(const RestDotsArgs& args) {
  constexpr size_t kFields = 4;
  typename Level::Vector sums[2][kFields] = {};
  for (size_t col = 0; col < args.cols; col += kRestChunkCols) {
    for (size_t at = 0; at < 64; at += Level::kBytes) {
      const auto bytes = Level::load(args.rests + col / 4 + at);
      const int8_t* x = args.x + col + at;
#pragma GCC unroll 4
      for (size_t f = 0; f < kFields; ++f) {
        const auto rests = Level::field(bytes, f);
        sums[0][f] = Level::add(sums[0][f], rests, Level::load(x + 64 * f));
        sums[1][f] = Level::add(sums[1][f], rests, Level::load(x + args.x_stride + 64 * f));
      }
    }
  }
  for (size_t v = 0; v < 2; ++v) {
    args.out[v] = Level::total(sums[v][0]) + Level::total(sums[v][1]) + Level::total(sums[v][2]) +
                  Level::total(sums[v][3]);
  }
}

}  // namespace
}  // namespace rotor::kernels
