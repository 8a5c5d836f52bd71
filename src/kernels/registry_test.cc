// SPDX-License-Identifier: Apache-2.0
// The tables hand out, for each level, the last row that the level and this CPU allow.
#include <gtest/gtest.h>

#include "kernels/kernel_list.h"
#include "kernels/kernels.h"

namespace rotor {
namespace {

TEST(KernelTable, EverySlotIsFilledAtEverySupportedLevel) {
  for (int i = 0; i <= static_cast<int>(IsaLevel::kI8mm); ++i) {
    const IsaLevel level = static_cast<IsaLevel>(i);
    if (!cpu_features().supports(level)) {
      continue;
    }
    const KernelTable& table = kernel_table(level);
    EXPECT_EQ(table.level, level);
#define ROTOR_KERNEL(type, slot, name, isa_name) EXPECT_NE(table.slot, nullptr) << #slot;
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
  }
}

TEST(KernelTable, HoldsTheLastRowTheLevelAllows) {
  const KernelTable& scalar = kernel_table(IsaLevel::kScalar);
  const KernelTable& best = kernel_table(cpu_features().best);
  KernelTable expected_best = {};
#define ROTOR_KERNEL(type, slot, name, isa_name)                   \
  if (kernels::isa::isa_name == IsaLevel::kScalar) {               \
    EXPECT_EQ(scalar.slot, kernels::name##_##isa_name);            \
  }                                                                \
  if (cpu_features().supports(kernels::isa::isa_name)) {           \
    expected_best.slot = kernels::name##_##isa_name;               \
  }
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
#define ROTOR_KERNEL(type, slot, name, isa_name) EXPECT_EQ(best.slot, expected_best.slot);
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
}

}  // namespace
}  // namespace rotor
