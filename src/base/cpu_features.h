// SPDX-License-Identifier: Apache-2.0
// The instruction-set level kernels are chosen by. Levels are named steps, weakest first, not single
// CPUID bits: each stands for all instructions its kernels use. A CPU may lack a level below its
// best one (AVX-512 VNNI came before AVX-VNNI), so ask supports(), do not compare.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace rotor {

enum class IsaLevel : uint8_t {
  kScalar = 0,
  kAvx2,         // AVX2, FMA, F16C
  kAvxVnni,      // + AVX-VNNI
  kAvx512Vnni,   // AVX-512 F, BW, DQ, VL, VNNI
  kAvx512Vbmi,   // + VBMI
  kAmx,          // + AMX-TILE, AMX-INT8
  kNeon,         // AArch64 baseline
  kDotprod,      // + SDOT
  kI8mm,         // + SMMLA
};

std::string_view isa_name(IsaLevel level);  // "avx512vnni", ...
Result<IsaLevel> parse_isa(std::string_view name);

struct CpuFeatures {
  std::string model;                  // brand string, for people
  IsaLevel best = IsaLevel::kScalar;  // the highest level that runs here
  uint32_t supported = 1;             // bit i: IsaLevel i runs here
  bool amd = false;                   // an x86-64 made by AMD
  bool supports(IsaLevel level) const;
};

// Detected once; constant afterwards.
const CpuFeatures& cpu_features();

// The level to use: the best one, or what ROTOR_ISA names. kInvalidArgument when it names an unknown
// level or one this CPU lacks.
Result<IsaLevel> selected_isa();

// Tells the core that it is in a spin loop; some tens of nanoseconds.
void spin_pause();

}  // namespace rotor
