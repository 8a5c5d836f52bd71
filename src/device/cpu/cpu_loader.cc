// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/cpu_loader.h"

#include <utility>

#include "base/control_group.h"
#include "device/cpu/cpu_format.h"
#include "model/memory_plan.h"

namespace rotor {

Result<std::shared_ptr<const Model>> load_for_cpu(ModelSource source, LoadOptions load,
                                                  std::optional<TernaryFormat> weights,
                                                  const CpuExecutorOptions& executor,
                                                  ThreadPool& pool) {
  const auto plan = [&](TernaryFormat format) {
    return plan_memory(source, format, executor.kv_type, load.head);
  };
  const uint64_t limit = control_group_memory("/").value_or(UINT64_MAX);
  const auto check = [&](TernaryFormat format) {
    return check_memory(source.path, plan(format), executor.kv_positions, limit);
  };
  if (!weights && needs_i2(source)) {
    weights = TernaryFormat::kI2;
  }
  if (!weights) {  // the measurement takes memory as well: first the smallest layout
    ROTOR_TRY(check(TernaryFormat::kDense243));
    weights = cpu_format(plan(TernaryFormat::kI2).ternary_bytes, executor.isa, pool,
                         cpu_format_cache());
  }
  ROTOR_TRY(check(*weights));
  load.format = *weights;
  return load_model(std::move(source), load, pool);
}

}  // namespace rotor
