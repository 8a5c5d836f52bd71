// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AArch64 with SDOT, which wants signed bytes: codes less 128; 128
// times the sum of x is added back.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

// One row block times kVectors vectors; each quarter of a tile, 4 rows, has its sums.
template <size_t kVectors>
inline void row_block(const CodeDotsArgs& args, const uint8_t* codes, const int8_t* x,
                      int32_t* out) {
  int32x4_t sums[kVectors][4];
  for (size_t v = 0; v < kVectors; ++v) {
    const int32x4_t start = vdupq_n_s32(128 * sum_of(x + v * args.x_stride, args.cols));
    sums[v][0] = sums[v][1] = sums[v][2] = sums[v][3] = start;
  }
  for (size_t quad = 0; quad < args.cols; quad += 4) {
    int8x16_t four[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      four[v] = broadcast4(x + v * args.x_stride + quad);
    }
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      const uint8x16_t bytes = vld1q_u8(codes + 16 * quad + 16 * quarter);
      const int8x16_t centred = vreinterpretq_s8_u8(veorq_u8(bytes, vdupq_n_u8(0x80)));
      for (size_t v = 0; v < kVectors; ++v) {
        sums[v][quarter] = vdotq_s32(sums[v][quarter], centred, four[v]);
      }
    }
  }
  for (size_t v = 0; v < kVectors; ++v) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      vst1q_s32(out + v * args.out_stride + 4 * quarter, sums[v][quarter]);
    }
  }
}

}  // namespace

void code_dots_dotprod(const CodeDotsArgs& args) {
  constexpr size_t kVectorTile = 4;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    const uint8_t* codes = args.codes + block * 16 * args.cols;
    int32_t* out = args.out + 16 * block;
    vector_tiles<kVectorTile>(args.vectors, [&]<size_t kVectors>(size_t first) {
      row_block<kVectors>(args, codes, args.x + first * args.x_stride,
                          out + first * args.out_stride);
    });
  }
}

}  // namespace rotor::kernels
