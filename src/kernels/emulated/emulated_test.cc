// SPDX-License-Identifier: Apache-2.0
// The kernels of levels that a machine for tests may lack, AMX and AVX-VNNI, compared with their
// scalar twins on any CPU with AVX-512: their very sources, compiled with instructions.h before
// them. That finds a wrong shape, stride, tail or sum; it says nothing of the instructions
// themselves, of what a compiler does around them, or of speed.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "kernels/emulated/tiles.h"
#include "kernels/kernel_check.h"
#include "kernels/kernel_list.h"

// Of a row of kernel_list.inc, what is said of an emulated level.
#define ROTOR_IF_scalar(...)
#define ROTOR_IF_avx2(...)
#define ROTOR_IF_avxvnni(...) __VA_ARGS__
#define ROTOR_IF_avx512vnni(...)
#define ROTOR_IF_avx512vbmi(...)
#define ROTOR_IF_amx(...) __VA_ARGS__

namespace rotor {
namespace emulated {

#define ROTOR_KERNEL(type, slot, name, isa_name) \
  ROTOR_IF_##isa_name(kernels::FunctionOf<type>::Type name##_##isa_name;)
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL

// What the kernels for AMX call for a few vectors.
void code_dots_avx512vnni(const CodeDotsArgs& args) { kernels::code_dots_avx512vnni(args); }
void ternary_matmul_i2_avx512vnni(const TernaryMatmulArgs& args) {
  kernels::ternary_matmul_i2_avx512vnni(args);
}
void ternary_matmul_fold243_avx512vbmi(const TernaryMatmulArgs& args) {
  kernels::ternary_matmul_fold243_avx512vbmi(args);
}

}  // namespace emulated

namespace {

// The level whose instructions the emulation is made of.
IsaLevel needed(IsaLevel emulated) {
  return emulated == IsaLevel::kAmx ? IsaLevel::kAvx512Vbmi : IsaLevel::kAvx512Vnni;
}

const std::vector<KernelRow>& rows() {
  static const std::vector<KernelRow> list = {
#define ROTOR_KERNEL(type, slot, name, isa_name)                                             \
  ROTOR_IF_##isa_name(                                                                       \
      KernelRow{#name, #isa_name, kernels::isa::isa_name, [](const std::string& row) {       \
        check_kernel(row, static_cast<type>(emulated::name##_##isa_name),                    \
                     static_cast<type>(kernels::name##_scalar));                             \
      }},)
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
  };
  return list;
}

size_t compared = 0;

class EmulatedKernel : public testing::TestWithParam<KernelRow> {};

TEST_P(EmulatedKernel, EqualsScalarBitForBit) {
  const IsaLevel level = needed(GetParam().level);
  if (!cpu_features().supports(level)) {
    GTEST_SKIP() << "this CPU lacks " << isa_name(level) << ", which emulates " << GetParam().isa;
  }
  ++compared;
  GetParam().check(GetParam().name);
  EXPECT_FALSE(emulated::tiles_configured()) << "the kernel left its tiles to the next thread";
}

INSTANTIATE_TEST_SUITE_P(Kernels, EmulatedKernel, testing::ValuesIn(rows()),
                         [](const testing::TestParamInfo<KernelRow>& info) {
                           return info.param.name + "_" + info.param.isa;
                         });

// Counts what ran, so that a skip cannot pass for a test.
class CountsRows : public testing::Environment {
 public:
  void TearDown() override {
    size_t supported = 0;
    for (const KernelRow& row : rows()) {
      supported += cpu_features().supports(needed(row.level)) ? 1 : 0;
    }
    std::printf("emulated kernel rows: %zu in the list, %zu can be emulated here, %zu compared\n",
                rows().size(), supported, compared);
    if (std::string(GTEST_FLAG_GET(filter)) == "*") {
      EXPECT_EQ(compared, supported);
    }
  }
};
const testing::Environment* const kCountsRows =
    testing::AddGlobalTestEnvironment(new CountsRows);  // GoogleTest owns it

}  // namespace
}  // namespace rotor
