// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head for AArch64 with SDOT: codes of six bits are signed bytes, too.
#include "kernels/arm/bytes_neon.h"
#include "kernels/kernel_types.h"
#include "kernels/vector_tiles.h"

namespace rotor::kernels {
namespace {

// One row block times kVectors vectors; each quarter of a tile, 4 rows, has its sums.
template <size_t kVectors>
inline void row_block(const CodeDotsArgs& args, const uint8_t* codes, const int8_t* x,
                      int32_t* out) {
  int32x4_t sums[kVectors][4] = {};
  for (size_t c = 0; c < args.cols; c += kCodeGroupCols) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
      uint8x16_t four_columns[4];
      unpack_group(codes + c / kCodeGroupCols * kCodeGroupBytes, quarter, four_columns);
      for (size_t t = 0; t < 4; ++t) {
        const int8x16_t code = vreinterpretq_s8_u8(four_columns[t]);
        for (size_t v = 0; v < kVectors; ++v) {
          const int8x16_t four = broadcast4(x + v * args.x_stride + c + 4 * t);
          sums[v][quarter] = vdotq_s32(sums[v][quarter], code, four);
        }
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
    const uint8_t* codes = args.codes + block * (args.cols / kCodeGroupCols * kCodeGroupBytes);
    int32_t* out = args.out + 16 * block;
    vector_tiles<kVectorTile>(args.vectors, [&]<size_t kVectors>(size_t first) {
      row_block<kVectors>(args, codes, args.x + first * args.x_stride,
                          out + first * args.out_stride);
    });
  }
}

}  // namespace rotor::kernels
