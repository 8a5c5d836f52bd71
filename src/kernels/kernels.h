// SPDX-License-Identifier: Apache-2.0
// The table that holds one kernel per operation (kernel_types.h has their contracts). It is filled
// from kernel_list.inc, weakest level first.
#pragma once

#include "base/cpu_features.h"
#include "kernels/kernel_types.h"
#include "ternary/format.h"
#include "ternary/group_scales.h"

namespace rotor {

// One pointer per operation: the best kernels of one level.
struct KernelTable {
  IsaLevel level;
  // How many bytes ahead of those that it multiplies a kernel fetches, of each stream: the best distance
  // depends on what the CPU fetches by itself. AMX's scan of codes has one of its own.
  size_t weights_ahead;
  size_t codes_ahead;
  TernaryMatmul ternary_matmul[kTernaryFormats];  // by TernaryFormat
  GroupMatmul group_matmul[kGroupScaleTypes];     // by GroupScaleType
  TernaryDots ternary_dots[kGroupScaleTypes];     // by GroupScaleType
  RmsNormQuantize rms_norm_quantize;
  RmsNorm rms_norm;
  ScaleTensor scale_tensor;
  ScaleRows scale_rows;
  AddTo add_to;
  Gated gated_relu2;
  Gated gated_silu;
  Gated gated_gelu;
  Rope rope;
  ToF16 to_f16;
  FromF16 from_f16;
  Attend attend_f16;
  Attend attend_bf16;
  Attend attend_f32;
  Attend attend_int8;
  AttendMerge attend_merge;
  DivideBy divide_by;
  DotRows dot_rows_f32;
  DotRows dot_rows_f16;
  DotRows dot_rows_bf16;
  AddLowRank add_low_rank_f32;
  AddLowRank add_low_rank_f16;
  AddLowRank add_low_rank_bf16;
  CodeDots code_dots;
  RestDots rest_dots;
  LargeNoise large_noise;
  ExpSum exp_sum;
  IntegerPeak integer_peak;
};

// The best kernel of each operation that `level` allows. REQUIRES: this CPU supports `level`.
const KernelTable& kernel_table(IsaLevel level);

}  // namespace rotor
