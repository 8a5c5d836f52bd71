// SPDX-License-Identifier: Apache-2.0
// The float kernels of vec_ops/ for NEON.
#include "kernels/arm/vec_neon.h"
#include "kernels/exp_constants.h"
#include "kernels/kernel_types.h"

#define ROTOR_KERNEL_NAME(name) name##_neon
#include "kernels/vec_ops/arithmetic.inc"
#include "kernels/vec_ops/attention.inc"
#include "kernels/vec_ops/dot_rows.inc"
#include "kernels/vec_ops/elementwise.inc"
#include "kernels/vec_ops/low_rank.inc"
#include "kernels/vec_ops/norm.inc"
#include "kernels/vec_ops/ternary_dots.inc"
