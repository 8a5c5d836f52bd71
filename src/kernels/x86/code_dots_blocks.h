// SPDX-License-Identifier: Apache-2.0
// The frame of a scan of the coarse head: row blocks times tiles of vectors.
//
// A register of a Level holds 16 / kParts rows by four columns. Level::unpack(group, part, codes) takes
// the rows of a part apart, four columns each; add(sum, codes, four) adds the products of four
// neighbouring bytes to their 32-bit lane; store(sums, out) writes the 16 rows. Each part has a sum, or where
// one register holds all rows, every other four columns. Level::kVectorTile vectors have their sums in
// registers.
#pragma once

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

constexpr size_t kSums = 2;
constexpr size_t kGroupTiles = 4;  // of four columns

// kBlocks row blocks, `apart` from each other: as many streams from memory.
template <typename Level, size_t kBlocks, size_t kVectors>
inline void code_dots_rows(const CodeDotsArgs& args, size_t block, size_t apart, size_t first) {
  const size_t bytes = args.cols / kCodeGroupCols * kCodeGroupBytes;  // of a row block
  const uint8_t* codes = args.codes + block * bytes;
  const int8_t* columns = args.x + first * args.x_stride;
  typename Level::Vector sums[kBlocks][kVectors][kSums] = {};
  for (size_t at = 0; at < bytes; at += kCodeGroupBytes, columns += kCodeGroupCols) {
    for (size_t r = 0; r < kBlocks; ++r) {
      for (size_t line = 0; line < kCodeGroupBytes; line += 64) {
        prefetch(codes + r * apart * bytes + at + line + args.ahead);
      }
    }
// GCC 12 keeps sums in memory when a loop over them is not unrolled early.
#pragma GCC unroll 2
    for (size_t r = 0; r < kBlocks; ++r) {
#pragma GCC unroll 2
      for (size_t part = 0; part < Level::kParts; ++part) {
        typename Level::Vector four_columns[kGroupTiles];
        Level::unpack(codes + r * apart * bytes + at, part, four_columns);
#pragma GCC unroll 4
        for (size_t t = 0; t < kGroupTiles; ++t) {
#pragma GCC unroll 8
          for (size_t v = 0; v < kVectors; ++v) {
            auto& sum = sums[r][v][Level::kParts == kSums ? part : t % kSums];
            sum = Level::add(sum, four_columns[t], broadcast4(columns + v * args.x_stride + 4 * t));
          }
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
