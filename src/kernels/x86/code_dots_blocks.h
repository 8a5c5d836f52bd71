// SPDX-License-Identifier: Apache-2.0
// The frame of a scan of the coarse head: row blocks times tiles of vectors.
//
// Level::load(step, i) are kHalves registers of codes in kStepTiles tiles of 64 bytes, the second of
// them kHalfColumns columns behind the first. Level::add(sum, codes, four) adds the products of four
// neighbouring bytes to their 32-bit lane; store(sums, out) writes the 16 rows. Level::kVectorTile
// vectors have their sums in registers.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

constexpr size_t kHalves = 2;

// kBlocks row blocks, `apart` from each other: as many streams from memory.
template <typename Level, size_t kBlocks, size_t kVectors>
inline void code_dots_rows(const CodeDotsArgs& args, size_t block, size_t apart, size_t first) {
  const size_t bytes = 16 * args.cols;  // of a row block
  const uint8_t* codes = args.codes + block * bytes;
  const int8_t* x = args.x + first * args.x_stride;
  typename Level::Vector sums[kBlocks][kVectors][kHalves] = {};
  for (size_t at = 0; at < bytes; at += 64 * Level::kStepTiles) {
    for (size_t r = 0; r < kBlocks; ++r) {
      for (size_t t = 0; t < Level::kStepTiles; ++t) {
        prefetch(codes + r * apart * bytes + at + 64 * t + args.ahead);
      }
    }
// GCC 12 keeps sums in memory when a loop over them is not unrolled early.
#pragma GCC unroll 2
    for (size_t i = 0; i < kHalves; ++i) {
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        const auto four = broadcast4(x + v * args.x_stride + at / 16 + i * Level::kHalfColumns);
#pragma GCC unroll 2
        for (size_t r = 0; r < kBlocks; ++r) {
          sums[r][v][i] =
              Level::add(sums[r][v][i], Level::load(codes + r * apart * bytes + at, i), four);
        }
      }
    }
  }
#pragma GCC unroll 2
  for (size_t r = 0; r < kBlocks; ++r) {
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; ++v) {
      Level::store(sums[r][v], args.out + (first + v) * args.out_stride + 16 * (block + r * apart));
    }
  }
}

// The two vectors of a single token wait for memory, which gives more to two streams than to one,
// provided that both are long: half of the row blocks each. More vectors need the registers.
template <typename Level>
inline void code_dots_blocks(const CodeDotsArgs& args) {
  const size_t half = args.vectors == 2 ? args.row_blocks / 2 : 0;
  for (size_t block = 0; block < half; ++block) {
    code_dots_rows<Level, 2, 2>(args, block, half, 0);
  }
  for (size_t block = 2 * half; block < args.row_blocks; ++block) {
    vector_tiles<Level::kVectorTile>(args.vectors, [&]<size_t kVectors>(size_t first) {
      code_dots_rows<Level, 1, kVectors>(args, block, 0, first);
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
