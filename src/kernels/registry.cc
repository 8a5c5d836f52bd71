// SPDX-License-Identifier: Apache-2.0
// The dispatch ladder: walks the kernel list once per level.
#include <array>

#include "kernels/kernel_list.h"

namespace rotor {
namespace {

constexpr size_t kLevels = static_cast<size_t>(IsaLevel::kI8mm) + 1;

KernelTable make_table(IsaLevel level) {
  KernelTable table = {};
  table.level = level;
  // Intel: 1 and 4 KiB of weights cost 3 to 4 %, 2 KiB of codes 2 %. AMD, whose caches fetch by
  // themselves: with Intel's distances a token takes 6 to 11 % longer (docs/perf.md).
  table.weights_ahead = cpu_features().amd ? 256 : 2048;
  table.codes_ahead = cpu_features().amd ? 256 : 512;
#define ROTOR_KERNEL(type, slot, name, isa_name)                                              \
  if (kernels::isa::isa_name <= level && cpu_features().supports(kernels::isa::isa_name)) {   \
    table.slot = kernels::name##_##isa_name;                                                  \
  }
#include "kernels/kernel_list.inc"
#undef ROTOR_KERNEL
  return table;
}

std::array<KernelTable, kLevels> make_tables() {
  std::array<KernelTable, kLevels> tables;
  for (size_t i = 0; i < kLevels; ++i) {
    tables[i] = make_table(static_cast<IsaLevel>(i));
  }
  return tables;
}

}  // namespace

const KernelTable& kernel_table(IsaLevel level) {
  static const std::array<KernelTable, kLevels> tables = make_tables();
  return tables[static_cast<size_t>(level)];
}

}  // namespace rotor
