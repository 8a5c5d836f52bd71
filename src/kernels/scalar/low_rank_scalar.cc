// SPDX-License-Identifier: Apache-2.0
// The second product of a low-rank adapter.
#include "base/half.h"
#include "kernels/kernel_list.h"

namespace rotor::kernels {
namespace {

template <typename Element, typename ToFloat>
void add_low_rank(const AddLowRankArgs& args, ToFloat to_float) {
  const Element* b = static_cast<const Element*>(args.b);
  for (size_t i = 0; i < args.n; ++i) {
    float sum = 0.0f;
    for (size_t j = 0; j < args.rank; ++j) {
      sum = sum + to_float(b[j * args.stride + i]) * args.low[j];
    }
    args.out[i] = args.out[i] + sum * args.scaling;
  }
}

}  // namespace

void add_low_rank_f32_scalar(const AddLowRankArgs& args) {
  add_low_rank<float>(args, [](float b) { return b; });
}

void add_low_rank_f16_scalar(const AddLowRankArgs& args) {
  add_low_rank<uint16_t>(args, f16_to_float);
}

void add_low_rank_bf16_scalar(const AddLowRankArgs& args) {
  add_low_rank<uint16_t>(args, bf16_to_float);
}

}  // namespace rotor::kernels
