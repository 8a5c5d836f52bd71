// SPDX-License-Identifier: Apache-2.0
// i2 product for AArch64 with SMMLA, which multiplies 2 rows of 8 columns with 2 vectors of 8 columns
// into 2 by 2 sums. Of a quarter of a tile, 4 rows, two fields interleaved by 32 bits are the first 8
// columns of rows 0 and 1, and of rows 2 and 3; the other two fields are the last 8.
// As with SDOT, lanes may wrap, and the result, which fits, is right modulo 2^32.
#include <arm_neon.h>

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {

void ternary_matmul_i2_dotprod(const TernaryMatmulArgs& args);

namespace {

constexpr size_t kTileCols = 16;
constexpr size_t kQuarters = 4;

inline int8x16_t interleave_low(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_s8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline int8x16_t interleave_high(uint8x16_t a, uint8x16_t b) {
  return vreinterpretq_s8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}

// 8 columns of two vectors.
struct Columns {
  int8x16_t low;   // of a tile, columns 0 to 7
  int8x16_t high;  // 8 to 15

  void load(const int8_t* first, const int8_t* second) {
    const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(first));
    const int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(second));
    low = vreinterpretq_s8_s64(vzip1q_s64(a, b));
    high = vreinterpretq_s8_s64(vzip2q_s64(a, b));
  }
};

// 2 kPairs vectors times one row block. Sums are those of rows 0 and 1, and of 2 and 3, of a quarter:
// row by row, and in a row vector by vector.
template <size_t kPairs>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const int8_t* x = args.x + b0 * args.x_stride;
  const uint8x16_t field = vdupq_n_u8(3);
  int32x4_t sums[kPairs][kQuarters][2];
  for (size_t p = 0; p < kPairs; ++p) {  // codes are trits + 1: take sum(x) off again
    const int32x2_t off = vneg_s32(vld1_s32(args.x_sum + b0 + 2 * p));
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      sums[p][quarter][0] = sums[p][quarter][1] = vcombine_s32(off, off);
    }
  }
  for (size_t t = args.tile_begin; t < args.tile_end; ++t) {
    Columns columns[kPairs];
    for (size_t p = 0; p < kPairs; ++p) {
      const int8_t* first = x + 2 * p * args.x_stride + kTileCols * t;
      columns[p].load(first, first + args.x_stride);
    }
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      const uint8x16_t w = vld1q_u8(weights + 64 * t + 16 * quarter);
      const uint8x16_t codes0 = vandq_u8(w, field);
      const uint8x16_t codes1 = vandq_u8(vshrq_n_u8(w, 2), field);
      const uint8x16_t codes2 = vandq_u8(vshrq_n_u8(w, 4), field);
      const uint8x16_t codes3 = vshrq_n_u8(w, 6);
      const int8x16_t rows01_low = interleave_low(codes0, codes1);
      const int8x16_t rows23_low = interleave_high(codes0, codes1);
      const int8x16_t rows01_high = interleave_low(codes2, codes3);
      const int8x16_t rows23_high = interleave_high(codes2, codes3);
      for (size_t p = 0; p < kPairs; ++p) {
        int32x4_t(&sum)[2] = sums[p][quarter];
        sum[0] = vmmlaq_s32(sum[0], rows01_low, columns[p].low);
        sum[1] = vmmlaq_s32(sum[1], rows23_low, columns[p].low);
        sum[0] = vmmlaq_s32(sum[0], rows01_high, columns[p].high);
        sum[1] = vmmlaq_s32(sum[1], rows23_high, columns[p].high);
      }
    }
  }
  for (size_t p = 0; p < kPairs; ++p) {
    int32_t* out = args.out + (b0 + 2 * p) * args.out_stride + 16 * block;
    for (size_t quarter = 0; quarter < kQuarters; ++quarter) {
      const int32x4_t(&sum)[2] = sums[p][quarter];
      vst1q_s32(out + 4 * quarter, vuzp1q_s32(sum[0], sum[1]));
      vst1q_s32(out + args.out_stride + 4 * quarter, vuzp2q_s32(sum[0], sum[1]));
    }
  }
}

}  // namespace

void ternary_matmul_i2_i8mm(const TernaryMatmulArgs& args) {
  constexpr size_t kPairTile = 2;  // 16 accumulators
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kPairTile>(args.batch / 2, [&]<size_t kPairs>(size_t first) {
      row_block<kPairs>(args, block, 2 * first);
    });
  }
  if (args.batch % 2 != 0) {  // the vector without a companion
    const size_t b = args.batch - 1;
    TernaryMatmulArgs last = args;
    last.x += b * args.x_stride;
    last.x_sum += b;
    last.out += b * args.out_stride;
    last.batch = 1;
    ternary_matmul_i2_dotprod(last);
  }
}

}  // namespace rotor::kernels
