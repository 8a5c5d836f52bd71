// SPDX-License-Identifier: Apache-2.0
// The float kernels of AVX-512 with vec_ops/free_order.inc in place of the fixed order: the same loops
// otherwise. Part of kernels_bench alone.
#include "kernels/x86/vec_avx512.h"
#include "kernels/exp_constants.h"
#include "kernels/kernel_types.h"

#define ROTOR_KERNEL_NAME(name) name##_free
#include "kernels/vec_ops/free_order.inc"
#include "kernels/vec_ops/attention.inc"
#include "kernels/vec_ops/dot_rows.inc"
#include "kernels/vec_ops/elementwise.inc"
#include "kernels/vec_ops/norm.inc"
