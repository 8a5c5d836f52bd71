// SPDX-License-Identifier: Apache-2.0
// Names, the choice by ROTOR_ISA, and agreement of the detected levels with the compiler's own view.
#include "base/cpu_features.h"

#include <gtest/gtest.h>

#include <cstdlib>

#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace rotor {
namespace {

constexpr IsaLevel kAllLevels[] = {IsaLevel::kScalar,     IsaLevel::kAvx2,       IsaLevel::kAvxVnni,
                                   IsaLevel::kAvx512Vnni, IsaLevel::kAvx512Vbmi, IsaLevel::kAmx,
                                   IsaLevel::kNeon,       IsaLevel::kDotprod,    IsaLevel::kI8mm};

class SelectedIsa : public testing::Test {
 protected:
  void TearDown() override { unsetenv("ROTOR_ISA"); }
};

TEST(CpuFeatures, NamesRoundTrip) {
  for (IsaLevel level : kAllLevels) {
    const Result<IsaLevel> parsed = parse_isa(isa_name(level));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, level);
  }
  const Result<IsaLevel> unknown = parse_isa("avx1024");
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("avx512vnni"), std::string::npos);
}

TEST(CpuFeatures, BestIsTheHighestSupported) {
  const CpuFeatures& cpu = cpu_features();
  EXPECT_TRUE(cpu.supports(IsaLevel::kScalar));
  EXPECT_TRUE(cpu.supports(cpu.best));
  EXPECT_FALSE(cpu.model.empty());
  for (IsaLevel level : kAllLevels) {
    EXPECT_TRUE(level <= cpu.best || !cpu.supports(level));
  }
}

#if defined(__x86_64__)
TEST(CpuFeatures, AgreesWithTheCompilerRuntime) {
  __builtin_cpu_init();
  EXPECT_EQ(cpu_features().amd, __builtin_cpu_is("amd") != 0);
  EXPECT_EQ(cpu_features().supports(IsaLevel::kAvx2),
            __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(cpu_features().supports(IsaLevel::kAvx512Vnni),
            __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"));
}
#elif defined(__aarch64__)
// The operating system answers reads of the feature registers where HWCAP_CPUID says so.
TEST(CpuFeatures, AgreesWithTheFeatureRegisters) {
  if ((getauxval(AT_HWCAP) & 1ul << 11) == 0) {
    GTEST_SKIP() << "no HWCAP_CPUID";
  }
  uint64_t isar0 = 0;
  uint64_t isar1 = 0;
  __asm__("mrs %0, ID_AA64ISAR0_EL1" : "=r"(isar0));
  __asm__("mrs %0, ID_AA64ISAR1_EL1" : "=r"(isar1));
  EXPECT_EQ(cpu_features().supports(IsaLevel::kDotprod), (isar0 >> 44 & 15) != 0);
  EXPECT_EQ(cpu_features().supports(IsaLevel::kI8mm), (isar1 >> 52 & 15) != 0);
}
#endif

TEST_F(SelectedIsa, IsTheBestByDefault) {
  unsetenv("ROTOR_ISA");
  EXPECT_EQ(*selected_isa(), cpu_features().best);
  setenv("ROTOR_ISA", "", 1);
  EXPECT_EQ(*selected_isa(), cpu_features().best);
}

TEST_F(SelectedIsa, FollowsTheVariable) {
  setenv("ROTOR_ISA", "scalar", 1);
  EXPECT_EQ(*selected_isa(), IsaLevel::kScalar);
  setenv("ROTOR_ISA", "AVX2", 1);
  EXPECT_EQ(selected_isa().status().code(), Code::kInvalidArgument);
}

TEST_F(SelectedIsa, RefusesALevelOfAnotherArchitecture) {
#if defined(__aarch64__)
  setenv("ROTOR_ISA", "avx2", 1);
#else
  setenv("ROTOR_ISA", "neon", 1);
#endif
  const Result<IsaLevel> level = selected_isa();
  EXPECT_EQ(level.status().code(), Code::kInvalidArgument);
  EXPECT_NE(level.status().message().find("scalar"), std::string::npos);
}

}  // namespace
}  // namespace rotor
