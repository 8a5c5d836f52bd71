// SPDX-License-Identifier: Apache-2.0
// Bit-exactness checks of one kernel against its scalar twin: one overload per signature, so that a
// new row of kernel_list.inc is checked by being there. Test code.
#pragma once

#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/guarded_array.h"
#include "kernels/kernels.h"

namespace rotor {

// A row of kernel_list.inc that a test compares.
struct KernelRow {
  std::string name;  // without its level
  std::string isa;
  IsaLevel level;
  void (*check)(const std::string& name);  // compares with the scalar twin
};

// Compares `kernel` with `scalar` over sizes and values that have broken kernels before. `name` is
// the row's name without its level.
void check_kernel(const std::string& name, TernaryMatmul kernel, TernaryMatmul scalar);
void check_kernel(const std::string& name, GroupMatmul kernel, GroupMatmul scalar);
void check_kernel(const std::string& name, TernaryDots kernel, TernaryDots scalar);
void check_kernel(const std::string& name, RmsNormQuantize kernel, RmsNormQuantize scalar);
void check_kernel(const std::string& name, RmsNorm kernel, RmsNorm scalar);
void check_kernel(const std::string& name, ScaleTensor kernel, ScaleTensor scalar);
void check_kernel(const std::string& name, ScaleRows kernel, ScaleRows scalar);
void check_kernel(const std::string& name, AddTo kernel, AddTo scalar);
void check_kernel(const std::string& name, Gated kernel, Gated scalar);
void check_kernel(const std::string& name, Rope kernel, Rope scalar);
void check_kernel(const std::string& name, ToF16 kernel, ToF16 scalar);
void check_kernel(const std::string& name, FromF16 kernel, FromF16 scalar);
void check_kernel(const std::string& name, Attend kernel, Attend scalar);
void check_kernel(const std::string& name, AttendMerge kernel, AttendMerge scalar);
void check_kernel(const std::string& name, DivideBy kernel, DivideBy scalar);
void check_kernel(const std::string& name, DotRows kernel, DotRows scalar);
void check_kernel(const std::string& name, AddLowRank kernel, AddLowRank scalar);
void check_kernel(const std::string& name, CodeDots kernel, CodeDots scalar);
void check_kernel(const std::string& name, RestDots kernel, RestDots scalar);
void check_kernel(const std::string& name, LargeNoise kernel, LargeNoise scalar);
void check_kernel(const std::string& name, ExpSum kernel, ExpSum scalar);
void check_kernel(const std::string& name, IntegerPeak kernel, IntegerPeak scalar);

// Bits of a float with all NaNs made one: the specification leaves their sign and payload open.
inline uint32_t float_bits(float x) {
  return x != x ? 0x7fc00000u : std::bit_cast<uint32_t>(x);
}

template <typename T>
void expect_same(const GuardedArray<T>& got, const GuardedArray<T>& expected,
                 const std::string& what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if constexpr (std::is_same_v<T, float>) {
      ASSERT_EQ(float_bits(got[i]), float_bits(expected[i]))
          << what << ", element " << i << ": " << got[i] << " instead of " << expected[i];
    } else {
      ASSERT_EQ(got[i], expected[i]) << what << ", element " << i;
    }
  }
}

// What the values of a test vector are drawn from.
enum class Values {
  kNormal,     // around 1
  kWide,       // magnitudes from subnormal to 1e18
  kSpecial,    // zeros of both signs, subnormals, ties, and large values among normal ones
  kNonFinite,  // some infinities, NaNs and numbers whose square is infinite
};
inline constexpr Values kAllValues[] = {Values::kNormal, Values::kWide, Values::kSpecial,
                                        Values::kNonFinite};

GuardedArray<float> random_floats(size_t n, Values values, std::mt19937& random);

// Lengths that meet every tail of 16 lanes and of blocks of 256.
const std::vector<size_t>& test_lengths();

}  // namespace rotor
