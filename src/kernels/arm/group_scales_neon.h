// SPDX-License-Identifier: Apache-2.0
// Scales of groups for AArch64, and the frame of a product with them.
//
// Level::group_sums<kBatch>(weights, begin, end, x, x_stride, sums) adds the sum of codes times x over
// tiles [begin, end), at most 16, to sums, 4 rows in each of 4 quarters.
#pragma once

#include <arm_neon.h>

#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

struct F16 {
  using Element = uint16_t;
  static float32x4_t load(const uint16_t* scales) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(scales)));
  }
};

struct F32 {
  using Element = float;
  static float32x4_t load(const float* scales) { return vld1q_f32(scales); }
};

template <typename Level, typename Scales, size_t kBatch>
inline void row_block_with_groups(const GroupMatmulArgs& args, size_t block, size_t b0) {
  const size_t groups = (args.tiles + args.group_tiles - 1) / args.group_tiles;
  const uint8_t* weights = args.weights + block * args.row_block_stride;
  const auto* scales =
      static_cast<const typename Scales::Element*>(args.scales) + block * groups * 16;
  const int8_t* x = args.x + b0 * args.x_stride;
  const int32_t* running = args.x_running + b0 * args.x_running_stride;
  float32x4_t total[kBatch][4];
  for (size_t b = 0; b < kBatch; ++b) {
    total[b][0] = total[b][1] = total[b][2] = total[b][3] = vdupq_n_f32(0.0f);
  }
  for (size_t g = 0; g < groups; ++g, scales += 16) {
    const size_t begin = g * args.group_tiles;
    const size_t end = begin + args.group_tiles < args.tiles ? begin + args.group_tiles : args.tiles;
    const int32_t* sum_begin = running + begin / 4;
    const int32_t* sum_end = sum_begin + args.group_tiles / 4;
    int32x4_t sums[kBatch][4];
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take the sum of x off again
      const size_t at = b * args.x_running_stride;
      const int32x4_t start = vdupq_n_s32(sum_begin[at] - sum_end[at]);
      sums[b][0] = sums[b][1] = sums[b][2] = sums[b][3] = start;
    }
    Level::template group_sums<kBatch>(weights, begin, end, x, args.x_stride, sums);
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const float32x4_t scale = Scales::load(scales + 4 * quarter);
      for (size_t b = 0; b < kBatch; ++b) {
        const float32x4_t product = vmulq_f32(vcvtq_f32_s32(sums[b][quarter]), scale);
        total[b][quarter] = vaddq_f32(total[b][quarter], product);
      }
    }
  }
  for (size_t b = 0; b < kBatch; ++b) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      vst1q_f32(args.out + (b0 + b) * args.out_stride + 16 * block + 4 * quarter,
                total[b][quarter]);
    }
  }
}

template <typename Level, typename Scales>
inline void group_matmul(const GroupMatmulArgs& args) {
  constexpr size_t kBatchTile = 2;  // 8 accumulators, 8 totals
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      row_block_with_groups<Level, Scales, kBatch>(args, block, first);
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
