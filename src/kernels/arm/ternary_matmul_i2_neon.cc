// SPDX-License-Identifier: Apache-2.0
// i2 product for baseline AArch64: bytes times bytes added up in 16-bit lanes, widened before they
// can overflow. One 128-bit register holds a quarter of a tile, 4 rows.
//
// A product of a code 0..2 and an activation is within 2 * 128 = 256. A 16-bit lane takes one product
// per field, four a tile; 32 tiles add up to 32 * 4 * 256 = 32768, and -32768 fits (the positive end
// is 32 * 4 * 2 * 127 = 32512). The 32-bit lanes hold codes times x, at most 2 * 128 K, below 2^31
// for every K that TernaryMatmulArgs allows for half of a row's columns.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

constexpr size_t kFlushTiles = 32;
constexpr size_t kTileCols = 16;

// Rows 0 and 1 of the quarter in `low`, rows 2 and 3 in `high`, four 16-bit lanes each.
struct Sums16 {
  int16x8_t low = vdupq_n_s16(0);
  int16x8_t high = vdupq_n_s16(0);

  void add(uint8x16_t codes, int8x16_t x) {
    const int8x16_t w = vreinterpretq_s8_u8(codes);
    low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(x));
    high = vmlal_high_s8(high, w, x);
  }
};

template <size_t kBatch>
inline void quarter_block(const TernaryMatmulArgs& args, size_t block, size_t quarter, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride + 16 * quarter;
  const int8_t* x = args.x + b0 * args.x_stride;
  const uint8x16_t field = vdupq_n_u8(3);
  int32x4_t low[kBatch];
  int32x4_t high[kBatch];
  for (size_t b = 0; b < kBatch; ++b) {
    low[b] = high[b] = vdupq_n_s32(0);
  }
  for (size_t begin = args.tile_begin; begin < args.tile_end; begin += kFlushTiles) {
    const size_t left = args.tile_end - begin;
    const size_t end = begin + (left < kFlushTiles ? left : kFlushTiles);
    Sums16 sums[kBatch];
    for (size_t t = begin; t < end; ++t) {
      const uint8x16_t w = vld1q_u8(weights + 64 * t);
      const uint8x16_t codes[4] = {vandq_u8(w, field), vandq_u8(vshrq_n_u8(w, 2), field),
                                   vandq_u8(vshrq_n_u8(w, 4), field), vshrq_n_u8(w, 6)};
      for (size_t b = 0; b < kBatch; ++b) {
        for (size_t d = 0; d < 4; ++d) {
          sums[b].add(codes[d], broadcast4(x + b * args.x_stride + kTileCols * t + 4 * d));
        }
      }
    }
    for (size_t b = 0; b < kBatch; ++b) {
      low[b] = vpadalq_s16(low[b], sums[b].low);
      high[b] = vpadalq_s16(high[b], sums[b].high);
    }
  }
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    const int32x4_t rows =
        vsubq_s32(vpaddq_s32(low[b], high[b]), vdupq_n_s32(args.x_sum[b0 + b]));
    vst1q_s32(args.out + (b0 + b) * args.out_stride + 16 * block + 4 * quarter, rows);
  }
}

template <size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  for (size_t quarter = 0; quarter < 4; ++quarter) {
    quarter_block<kBatch>(args, block, quarter, b0);
  }
}

}  // namespace

void ternary_matmul_i2_neon(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 4;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      row_block<kBatch>(args, block, first);
    });
  }
}

}  // namespace rotor::kernels
