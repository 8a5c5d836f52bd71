// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AMX: 16 tiles of codes, one after the other, are the second factor
// of TDPBSUD as they lie.
#include "kernels/x86/amx_tiles.h"

namespace rotor::kernels {

void code_dots_avx512vnni(const CodeDotsArgs& args);

namespace {

// Fewer vectors leave the vector unit waiting for memory: it does them as well.
constexpr size_t kMinVectors = 5;
constexpr size_t kPrefetchBytes = 4096;

inline void prefetch_step(const uint8_t* codes) {
  for (size_t at = 0; at < kStepBytes; at += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(codes + kPrefetchBytes + at), _MM_HINT_T0);
  }
}

// One or two row blocks times up to 32 vectors.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_blocks(const CodeDotsArgs& args, const uint8_t* codes, const int8_t* x,
                            int32_t* out) {
  const size_t block_bytes = kBlockRows * args.cols;
  zero_sums<kTwoGroups, kTwoBlocks>();
  for (size_t col = 0; col < args.cols; col += kStepCols) {
    const uint8_t* step = codes + kBlockRows * col;
    prefetch_step(step);
    if constexpr (kTwoBlocks) {
      prefetch_step(step + block_bytes);
    }
    multiply_step<kTwoGroups, kTwoBlocks>(x + col, args.x_stride, step, step + block_bytes);
  }
  store_sums<kTwoGroups, kTwoBlocks>(out, args.out_stride);
}

template <bool kTwoBlocks>
inline void multiply_vectors(const CodeDotsArgs& args, size_t block, Groups& groups) {
  const uint8_t* codes = args.codes + block * kBlockRows * args.cols;
  for (size_t v = 0; v < args.vectors; v += 2 * kTileVectors) {
    const size_t left = args.vectors - v;
    const int8_t* x = args.x + v * args.x_stride;
    int32_t* out = args.out + v * args.out_stride + block * kBlockRows;
    if (left > kTileVectors) {
      groups.use(kTileVectors, left < 2 * kTileVectors ? left - kTileVectors : kTileVectors);
      multiply_blocks<true, kTwoBlocks>(args, codes, x, out);
    } else {
      groups.use(left, 0);
      multiply_blocks<false, kTwoBlocks>(args, codes, x, out);
    }
  }
}

}  // namespace

void code_dots_amx(const CodeDotsArgs& args) {
  if (args.vectors < kMinVectors) {
    code_dots_avx512vnni(args);
    return;
  }
  publish(args.x);
  Groups groups;
  for (size_t block = 0; block < args.row_blocks; block += 2) {
    if (args.row_blocks - block < 2) {
      multiply_vectors<false>(args, block, groups);
    } else {
      multiply_vectors<true>(args, block, groups);
    }
  }
  _tile_release();
}

}  // namespace rotor::kernels
