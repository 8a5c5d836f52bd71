// SPDX-License-Identifier: Apache-2.0
// i2 product with scales of groups for AVX-512 VNNI: as without groups (i2_tile_avx512.h has the
// bounds), but a group's sums leave their registers for a float each, times the scale of its row.
#include "kernels/x86/i2_tile_avx512.h"

namespace rotor::kernels {
namespace {

constexpr size_t kBatchTile = 4;  // 16 accumulators of fields, 4 totals

struct F16 {
  static constexpr size_t kBytes = 32;  // of 16 rows
  static __m512 load(const uint8_t* scales) {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i*>(scales)));
  }
};

struct F32 {
  static constexpr size_t kBytes = 64;
  static __m512 load(const uint8_t* scales) { return _mm512_loadu_ps(scales); }
};

// A group, in runs of a length that the compiler knows and unrolls.
template <size_t kBatch>
inline void add_group(Streams in, size_t tiles, const int8_t* x, size_t x_stride,
                      __m512i (&sums)[1][kBatch][I2::kDigits]) {
  for (; tiles >= 4; tiles -= 4, in.weights += 4 * 64, x += 4 * I2::kTileCols) {
    add_tiles<I2>(in, 4, x, x_stride, sums);
  }
  add_tiles<I2>(in, tiles, x, x_stride, sums);
}

// A function of its own, so that the few pointers of a group stay in registers.
template <typename Scales, size_t kBatch>
[[gnu::noinline]] void row_block_with_groups(const GroupMatmulArgs& args, size_t block, size_t b0) {
  const size_t group_tiles = args.group_tiles;
  const size_t groups = (args.tiles + group_tiles - 1) / group_tiles;
  const size_t x_stride = args.x_stride;
  const size_t running_stride = args.x_running_stride;
  Streams in = {args.weights + block * args.row_block_stride, 0, args.ahead};
  const uint8_t* scales = static_cast<const uint8_t*>(args.scales) + block * groups * Scales::kBytes;
  const int8_t* x = args.x + b0 * x_stride;
  const int32_t* running = args.x_running + b0 * running_stride;
  __m512 total[kBatch];
  for (size_t b = 0; b < kBatch; ++b) {
    total[b] = _mm512_setzero_ps();
  }
  for (size_t left = args.tiles; left > 0;) {
    const size_t tiles = left < group_tiles ? left : group_tiles;
    __m512i sums[1][kBatch][I2::kDigits];
    for (size_t b = 0; b < kBatch; ++b) {  // codes are trits + 1: take the sum of x off again
      const int32_t* sum = running + b * running_stride;
      sums[0][b][0] = _mm512_set1_epi32(sum[0] - sum[group_tiles / 4]);
      sums[0][b][1] = sums[0][b][2] = sums[0][b][3] = _mm512_setzero_si512();
    }
    add_group(in, tiles, x, x_stride, sums);
    prefetch(scales + groups * Scales::kBytes);  // of the row block to come
    const __m512 scale = Scales::load(scales);
#pragma GCC unroll 4
    for (size_t b = 0; b < kBatch; ++b) {
      const __m512 sum = _mm512_cvtepi32_ps(I2::total(sums[0][b]));
      total[b] = _mm512_add_ps(total[b], _mm512_mul_ps(sum, scale));
    }
    left -= tiles;
    in.weights += 64 * tiles;
    x += I2::kTileCols * tiles;
    running += group_tiles / 4;
    scales += Scales::kBytes;
  }
  for (size_t b = 0; b < kBatch; ++b) {
    _mm512_storeu_ps(args.out + (b0 + b) * args.out_stride + 16 * block, total[b]);
  }
}

template <typename Scales>
inline void group_matmul(const GroupMatmulArgs& args) {
  for (size_t block = 0; block < args.row_blocks; ++block) {
    vector_tiles<kBatchTile>(args.batch, [&]<size_t kBatch>(size_t first) {
      row_block_with_groups<Scales, kBatch>(args, block, first);
    });
  }
}

}  // namespace

void group_matmul_i2_f16_avx512vnni(const GroupMatmulArgs& args) { group_matmul<F16>(args); }

void group_matmul_i2_f32_avx512vnni(const GroupMatmulArgs& args) { group_matmul<F32>(args); }

}  // namespace rotor::kernels
