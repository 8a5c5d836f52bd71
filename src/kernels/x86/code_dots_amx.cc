// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AMX: four groups of codes, unpacked, are the second factor of TDPBSUD.
#include "kernels/x86/amx_tiles.h"
#include "kernels/x86/code_groups_avx512.h"

namespace rotor::kernels {

void code_dots_avx512vnni(const CodeDotsArgs& args);

namespace {

// Fewer vectors leave the vector unit waiting for memory: it does them as well.
constexpr size_t kMinVectors = 5;
constexpr size_t kPrefetchBytes = 4096;

constexpr size_t kPackedBytes = kStepCols / kCodeGroupCols * kCodeGroupBytes;  // of a step

// out (kStepCols / 4, 16, 4)
inline void unpack_step(const uint8_t* codes, uint8_t* out) {
  for (size_t at = 0; at < kPackedBytes; at += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(codes + kPrefetchBytes + at), _MM_HINT_T0);
  }
  for (size_t at = 0; at < kPackedBytes; at += kCodeGroupBytes) {
    __m512i four_columns[4];
    unpack_group(codes + at, four_columns);
    for (const __m512i columns : four_columns) {
      _mm512_store_si512(out, columns);
      out += 64;
    }
  }
}

// One or two row blocks times up to 32 vectors.
template <bool kTwoGroups, bool kTwoBlocks>
inline void multiply_blocks(const CodeDotsArgs& args, const uint8_t* codes, const int8_t* x,
                            int32_t* out) {
  const size_t block_bytes = args.cols / kStepCols * kPackedBytes;
  alignas(64) uint8_t step[2][kStepBytes];
  zero_sums<kTwoGroups, kTwoBlocks>();
  for (size_t col = 0; col < args.cols; col += kStepCols) {
    const uint8_t* packed = codes + col / kStepCols * kPackedBytes;
    unpack_step(packed, step[0]);
    if constexpr (kTwoBlocks) {
      unpack_step(packed + block_bytes, step[1]);
    }
    publish(step);
    multiply_step<kTwoGroups, kTwoBlocks>(x + col, args.x_stride, step[0], step[1]);
    publish(step);
  }
  store_sums<kTwoGroups, kTwoBlocks>(out, args.out_stride);
}

template <bool kTwoBlocks>
inline void multiply_vectors(const CodeDotsArgs& args, size_t block, Groups& groups) {
  const uint8_t* codes = args.codes + block * (args.cols / kStepCols * kPackedBytes);
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
