// SPDX-License-Identifier: Apache-2.0
// i2 product for AArch64 with SDOT: a quarter of a tile, 4 rows, in one register; SDOT multiplies the
// four codes of a row with four activations that all rows share and adds them to its 32-bit lane.
// Codes times x are within 2 * 128 K <= 2^32 - 256 in magnitude for K <= 2^24 - 1: lanes may wrap, and
// the result, which fits, is right modulo 2^32.
#include <arm_neon.h>

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

constexpr size_t kTileCols = 16;

// kBatch vectors times one row block; each of the 4 quarters has its accumulator.
template <size_t kBatch>
inline void row_block(const TernaryMatmulArgs& args, size_t block, size_t b0) {
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const int8_t* x = args.x + b0 * args.x_stride;
  const uint8x16_t field = vdupq_n_u8(3);
  int32x4_t sums[kBatch][4];
  for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take sum(x) off again
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      sums[b][quarter] = vdupq_n_s32(-args.x_sum[b0 + b]);
    }
  }
  for (size_t t = args.tile_begin; t < args.tile_end; ++t) {
    int8x16_t columns[kBatch];
    for (size_t b = 0; b < kBatch; ++b) {
      columns[b] = vld1q_s8(x + b * args.x_stride + kTileCols * t);
    }
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const uint8x16_t w = vld1q_u8(weights + 64 * t + 16 * quarter);
      const int8x16_t codes0 = vreinterpretq_s8_u8(vandq_u8(w, field));
      const int8x16_t codes1 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 2), field));
      const int8x16_t codes2 = vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 4), field));
      const int8x16_t codes3 = vreinterpretq_s8_u8(vshrq_n_u8(w, 6));
      for (size_t b = 0; b < kBatch; ++b) {
        int32x4_t& sum = sums[b][quarter];
        sum = vdotq_laneq_s32(sum, codes0, columns[b], 0);
        sum = vdotq_laneq_s32(sum, codes1, columns[b], 1);
        sum = vdotq_laneq_s32(sum, codes2, columns[b], 2);
        sum = vdotq_laneq_s32(sum, codes3, columns[b], 3);
      }
    }
  }
  for (size_t b = 0; b < kBatch; ++b) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      vst1q_s32(args.out + (b0 + b) * args.out_stride + 16 * block + 4 * quarter,
                sums[b][quarter]);
    }
  }
}

}  // namespace

void ternary_matmul_i2_dotprod(const TernaryMatmulArgs& args) {
  constexpr size_t kBatchTile = 4;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      row_block<kBatch>(args, block, first);
    });
  }
}

}  // namespace rotor::kernels
