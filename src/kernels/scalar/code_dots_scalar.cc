// SPDX-License-Identifier: Apache-2.0
// Sums over the groups of the coarse head, as its layout defines them.
#include "kernels/kernel_list.h"

namespace rotor::kernels {
namespace {

// The code of row r at column c of a group.
int32_t code_at(const uint8_t* group, size_t r, size_t c) {
  const uint8_t* bytes = group + 4 * r + c % 4;
  if (c < 12) {
    return bytes[c / 4 * 64] & 63;
  }
  return bytes[0] >> 6 | (bytes[64] >> 6) << 2 | (bytes[128] >> 6) << 4;
}

}  // namespace

void code_dots_scalar(const CodeDotsArgs& args) {
  const uint8_t* codes = args.codes;
  for (size_t block = 0; block < args.row_blocks; ++block) {
    for (size_t v = 0; v < args.vectors; ++v) {
      const int8_t* x = args.x + v * args.x_stride;
      for (size_t r = 0; r < 16; ++r) {
        int32_t sum = 0;
        for (size_t c = 0; c < args.cols; ++c) {
          sum += code_at(codes + c / kCodeGroupCols * kCodeGroupBytes, r, c % kCodeGroupCols) * x[c];
        }
        args.out[v * args.out_stride + 16 * block + r] = sum;
      }
    }
    codes += args.cols / kCodeGroupCols * kCodeGroupBytes;
  }
}

}  // namespace rotor::kernels
