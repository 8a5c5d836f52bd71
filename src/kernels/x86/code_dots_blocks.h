// SPDX-License-Identifier: Apache-2.0
// The frame of a scan of the coarse head: row blocks times tiles of vectors.
//
// Level::Sums<kVectors> holds the sums of one row block, starting at zero; add(tile, x, x_stride)
// takes kStepTiles tiles of 64 bytes and the columns of x that belong to them; store(v, out) writes
// the 16 rows of vector v. Level::kVectorTile vectors have their sums in registers.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

template <typename Level>
inline void code_dots_blocks(const CodeDotsArgs& args) {
  constexpr size_t kStepCols = 4 * Level::kStepTiles;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* codes = args.codes + block * 16 * args.cols;
    vector_tiles<Level::kVectorTile>(args.vectors, [&]<size_t kVectors>(size_t first) {
      const int8_t* x = args.x + first * args.x_stride;
      typename Level::template Sums<kVectors> sums;
      for (size_t column = 0; column < args.cols; column += kStepCols) {
        sums.add(codes + 16 * column, x + column, args.x_stride);
      }
// GCC 12 keeps sums in memory when a loop over them is not unrolled early.
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        sums.store(v, args.out + (first + v) * args.out_stride + 16 * block);
      }
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
