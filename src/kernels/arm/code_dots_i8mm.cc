// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AArch64 with USMMLA, which multiplies unsigned codes, 2 rows of 8
// columns, with 2 vectors of 8 columns into 2 by 2 sums. Two registers of 4 columns interleaved by 32 bits
// give 2 rows of 8.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {

void code_dots_dotprod(const CodeDotsArgs& args);

namespace {

constexpr size_t kQuarters = 4;

// 2 kPairs vectors times one row block; sums as in ternary_matmul_i2_i8mm.cc.
template <size_t kPairs>
inline void row_block(const CodeDotsArgs& args, size_t block, size_t v0) {
  const uint8_t* codes = args.codes + block * (args.cols / kCodeGroupCols * kCodeGroupBytes);
  const int8_t* x = args.x + v0 * args.x_stride;
  int32x4_t sums[kPairs][kQuarters][2];
  for (size_t p = 0; p < kPairs; ++p) {
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      sums[p][quarter][0] = sums[p][quarter][1] = vdupq_n_s32(0);
    }
  }
  for (size_t c = 0; c < args.cols; c += kCodeGroupCols) {
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      uint8x16_t four_columns[4];
      unpack_group(codes + c / kCodeGroupCols * kCodeGroupBytes, quarter, four_columns);
      for (size_t half = 0; half < 2; ++half) {  // 8 columns
        const uint32x4_t low = vreinterpretq_u32_u8(four_columns[2 * half]);
        const uint32x4_t high = vreinterpretq_u32_u8(four_columns[2 * half + 1]);
        const uint8x16_t rows01 = vreinterpretq_u8_u32(vzip1q_u32(low, high));
        const uint8x16_t rows23 = vreinterpretq_u8_u32(vzip2q_u32(low, high));
        for (size_t p = 0; p < kPairs; ++p) {
          const int8_t* first = x + 2 * p * args.x_stride + c + 8 * half;
          const int8x16_t columns = vcombine_s8(vld1_s8(first), vld1_s8(first + args.x_stride));
          int32x4_t(&sum)[2] = sums[p][quarter];
          sum[0] = vusmmlaq_s32(sum[0], rows01, columns);
          sum[1] = vusmmlaq_s32(sum[1], rows23, columns);
        }
      }
    }
  }
  for (size_t p = 0; p < kPairs; ++p) {
    int32_t* out = args.out + (v0 + 2 * p) * args.out_stride + 16 * block;
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      const int32x4_t(&sum)[2] = sums[p][quarter];
      vst1q_s32(out + 4 * quarter, vuzp1q_s32(sum[0], sum[1]));
      vst1q_s32(out + args.out_stride + 4 * quarter, vuzp2q_s32(sum[0], sum[1]));
    }
  }
}

}  // namespace

void code_dots_i8mm(const CodeDotsArgs& args) {
  constexpr size_t kPairTile = 2;  // 16 accumulators
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kPairTile>(args.vectors / 2, [&]<size_t kPairs>(size_t first) {
      row_block<kPairs>(args, block, 2 * first);
    });
  }
  if (args.vectors % 2 != 0) {  // the vector without a companion
    const size_t v = args.vectors - 1;
    CodeDotsArgs last = args;
    last.x += v * args.x_stride;
    last.out += v * args.out_stride;
    last.vectors = 1;
    code_dots_dotprod(last);
  }
}

}  // namespace rotor::kernels
