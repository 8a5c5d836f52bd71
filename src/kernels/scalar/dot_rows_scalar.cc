// SPDX-License-Identifier: Apache-2.0
// Rows of a float matrix times vectors.
#include "base/half.h"
#include "kernels/kernel_list.h"
#include "kernels/scalar/arithmetic.h"

namespace rotor::kernels {
namespace {

template <typename Element, typename ToFloat>
void dot_rows(const DotRowsArgs& args, ToFloat to_float) {
  const Element* w = static_cast<const Element*>(args.w);
  for (size_t r = 0; r < args.rows; ++r) {
    const Element* row = w + r * args.cols;
    for (size_t b = 0; b < args.batch; ++b) {
      const float* x = args.x + b * args.x_stride;
      args.out[b * args.out_stride + r] =
          ordered_sum(args.cols, [=](size_t c) { return to_float(row[c]) * x[c]; });
    }
  }
}

}  // namespace

void dot_rows_f32_scalar(const DotRowsArgs& args) {
  dot_rows<float>(args, [](float w) { return w; });
}

void dot_rows_f16_scalar(const DotRowsArgs& args) { dot_rows<uint16_t>(args, f16_to_float); }

void dot_rows_bf16_scalar(const DotRowsArgs& args) { dot_rows<uint16_t>(args, bf16_to_float); }

}  // namespace rotor::kernels
