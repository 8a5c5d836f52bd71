// SPDX-License-Identifier: Apache-2.0
// The frame of an i2 product with scales of groups below AVX-512, over the formats of
// ternary_matmul_halves.h.
#pragma once

#include "kernels/x86/ternary_matmul_halves.h"

namespace rotor::kernels {
namespace {

struct F16 {
  static constexpr size_t kBytes = 2;  // of a scale
  static __m256 load(const uint8_t* scales) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(scales)));
  }
};

struct F32 {
  static constexpr size_t kBytes = 4;
  static __m256 load(const uint8_t* scales) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(scales));
  }
};

// A group, in runs of a length that the compiler knows and unrolls.
template <typename Format, size_t kHalves, size_t kBatch>
inline void multiply_group(HalfStreams in, size_t tiles, const int8_t* x, size_t x_stride,
                           __m256i (&sums)[kHalves][kBatch]) {
  for (; tiles >= 8; tiles -= 8, in.weights += 8 * 64, x += 8 * Format::kTileCols) {
    Format::template multiply<kHalves, kBatch>(in, 8, x, x_stride, sums);
  }
  if (tiles == 4) {
    Format::template multiply<kHalves, kBatch>(in, 4, x, x_stride, sums);
  } else if (tiles > 0) {
    Format::template multiply<kHalves, kBatch>(in, tiles, x, x_stride, sums);
  }
}

// kHalves halves of a row block, from half `half` on. A function of its own, so that the few pointers
// of a group stay in registers.
template <typename Format, typename Scales, size_t kHalves, size_t kBatch>
[[gnu::noinline]] void halves_with_groups(const GroupMatmulArgs& args, size_t block, size_t half,
                                          size_t b0) {
  const size_t group_tiles = args.group_tiles;
  const size_t groups = (args.tiles + group_tiles - 1) / group_tiles;
  const size_t x_stride = args.x_stride;
  const size_t running_stride = args.x_running_stride;
  HalfStreams in = {args.weights + block * args.row_block_stride + 32 * half, 0, args.ahead};
  const uint8_t* scales = static_cast<const uint8_t*>(args.scales) +
                          (block * groups * 16 + 8 * half) * Scales::kBytes;
  const int8_t* x = args.x + b0 * x_stride;
  const int32_t* running = args.x_running + b0 * running_stride;
  __m256 total[kHalves][kBatch];
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      total[h][b] = _mm256_setzero_ps();
    }
  }
  for (size_t left = args.tiles; left > 0;) {
    const size_t tiles = left < group_tiles ? left : group_tiles;
    __m256i sums[kHalves][kBatch];
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take the sum of x off again
      const int32_t* sum = running + b * running_stride;
      const __m256i start = _mm256_set1_epi32(sum[0] - sum[group_tiles / 4]);
      for (size_t h = 0; h < kHalves; ++h) {
        sums[h][b] = start;
      }
    }
    multiply_group<Format>(in, tiles, x, x_stride, sums);
    prefetch(scales + groups * 16 * Scales::kBytes);  // of the row block to come
    for (size_t h = 0; h < kHalves; ++h) {
      const __m256 scale = Scales::load(scales + 8 * h * Scales::kBytes);
      for (size_t b = 0; b < kBatch; ++b) {
        const __m256 product = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[h][b]), scale);
        total[h][b] = _mm256_add_ps(total[h][b], product);
      }
    }
    left -= tiles;
    in.weights += 64 * tiles;
    x += Format::kTileCols * tiles;
    running += group_tiles / 4;
    scales += 16 * Scales::kBytes;
  }
  for (size_t h = 0; h < kHalves; ++h) {
    for (size_t b = 0; b < kBatch; ++b) {
      _mm256_storeu_ps(args.out + (b0 + b) * args.out_stride + 16 * block + 8 * (half + h),
                       total[h][b]);
    }
  }
}

// Both halves of a tile together for a single vector; several need the registers.
template <typename Format, typename Scales>
inline void group_halves(const GroupMatmulArgs& args) {
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<Format::kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      if constexpr (kBatch == 1) {
        halves_with_groups<Format, Scales, 2, 1>(args, block, 0, first);
      } else {
        halves_with_groups<Format, Scales, 1, kBatch>(args, block, 0, first);
        halves_with_groups<Format, Scales, 1, kBatch>(args, block, 1, first);
      }
    });
  }
}

}  // namespace
}  // namespace rotor::kernels
