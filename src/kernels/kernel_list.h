// SPDX-License-Identifier: Apache-2.0
// The declarations of all kernels in kernel_list.inc and the level each suffix stands for.
#pragma once

#include "kernels/kernels.h"

namespace rotor::kernels {

namespace isa {
inline constexpr IsaLevel scalar = IsaLevel::kScalar;
inline constexpr IsaLevel avx2 = IsaLevel::kAvx2;
inline constexpr IsaLevel avxvnni = IsaLevel::kAvxVnni;
inline constexpr IsaLevel avx512vnni = IsaLevel::kAvx512Vnni;
inline constexpr IsaLevel avx512vbmi = IsaLevel::kAvx512Vbmi;
inline constexpr IsaLevel amx = IsaLevel::kAmx;
inline constexpr IsaLevel neon = IsaLevel::kNeon;
inline constexpr IsaLevel dotprod = IsaLevel::kDotprod;
inline constexpr IsaLevel i8mm = IsaLevel::kI8mm;
}  // namespace isa

template <typename Pointer>
struct FunctionOf;
template <typename Function>
struct FunctionOf<Function*> {
  using Type = Function;
};

#define ROTOR_KERNEL(type, slot, name, isa_name) FunctionOf<type>::Type name##_##isa_name;
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL

}  // namespace rotor::kernels
