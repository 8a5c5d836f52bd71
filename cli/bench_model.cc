// SPDX-License-Identifier: Apache-2.0
#include "bench_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/thread_pool.h"
#include "bench_cost.h"
#include "device/cpu/cpu_loader.h"
#include "machine.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

constexpr const char* kSynthetic = "synthetic:";

// What the model is called in the report: a synthetic shape by its own name, as --synthetic takes it.
std::string shown_name(const std::string& path) {
  return path.starts_with(kSynthetic) ? path.substr(std::string(kSynthetic).size()) : path;
}

// load_for_cpu() knows the limit of the control group; here, what other programs have left.
Status check_free(const ModelSource& source, const MemoryPlan& plan, size_t positions) {
  const uint64_t free = free_memory();
  const uint64_t needed = plan.total(positions);
  if (needed <= free) {
    return {};
  }
  return out_of_memory(fmt::format(
      "{}: needs {} of memory (matrices {}, head {}, cache of {} positions {}), {} are free; rotor "
      "bench --plan shows what each layout needs",
      source.path, format_bytes(needed), format_bytes(plan.ternary_bytes),
      format_bytes(plan.embedding_bytes), positions,
      format_bytes(positions * plan.kv_bytes_per_position), format_bytes(free)));
}

BenchModel describe(const Model& model, const std::string& path, IsaLevel isa) {
  BenchModel about;
  about.name = shown_name(path);
  about.isa = isa_name(isa);
  about.format = format_info(model.weights.layers[0].q.matrix.format).name;
  about.head = model.weights.head_plane.rows != 0 ? "two-stage" : "full";
  about.parameters = ternary_parameters(model.config) + embedding_parameters(model.config);
  about.bytes = static_cast<uint64_t>(weight_bytes(model));
  about.type = fmt::format("{} {} {}", model.config.family, parameter_count(about.parameters),
                           about.format);
  return about;
}

}  // namespace

Result<std::vector<std::string>> bench_models(const BenchOptions& options) {
  std::vector<std::string> models = options.models;
  for (const std::string& name : options.synthetic) {
    models.push_back(kSynthetic + name);
  }
  if (const char* variable = std::getenv("ROTOR_MODEL"); models.empty() && variable != nullptr) {
    models.emplace_back(variable);
  }
  if (models.empty()) {
    models.emplace_back();
  }
  for (std::string& model : models) {
    ROTOR_ASSIGN(model, resolve_model(model));
  }
  return models;
}

std::string parameter_count(uint64_t parameters) {
  const auto count = static_cast<double>(parameters);
  return count >= 1e9 ? fmt::format("{:.2f}B", count / 1e9) : fmt::format("{:.1f}M", count / 1e6);
}

KvType widest_kv(const std::vector<std::string>& names) {
  constexpr size_t kAnyHead = 128;
  KvType widest = KvType::kInt8;
  for (const std::string& name : names) {
    const KvType type = *parse_kv_type(name);
    if (kv_vector_bytes(type, kAnyHead) > kv_vector_bytes(widest, kAnyHead)) {
      widest = type;
    }
  }
  return widest;
}

const char* head_name(const ModelSource& source, HeadMode mode) {
  const FloatSource& head = source.head ? *source.head : source.embed;
  const uint64_t bytes = uint64_t{head.rows} * float_row_bytes(head.type, head.cols);
  return in_two_stages(mode, bytes, head.cols) ? "two-stage" : "full";
}

Result<BenchLoad> load_for_bench(const BenchOptions& options, const std::string& path,
                                 const std::string& head, size_t positions) {
  const auto start = std::chrono::steady_clock::now();
  LoadOptions load_options;
  ROTOR_ASSIGN(load_options.source, source_options(options.model));
  load_options.head = head_mode(head);
  load_options.progress = progress_bar(options.model.quiet);
  CpuExecutorOptions executor;
  executor.kv_type = widest_kv(options.kv);
  executor.kv_positions = positions;
  ROTOR_ASSIGN(executor.isa, selected_isa());
  ThreadPool pool(*std::max_element(options.threads.begin(), options.threads.end()));
  ROTOR_ASSIGN(ModelSource source, open_model_source(path, load_options.source));
  const std::optional<TernaryFormat> weights = parse_format(options.model.weights);
  const MemoryPlan least = plan_memory(source, weights.value_or(TernaryFormat::kDense243),
                                       executor.kv_type, load_options.head);
  ROTOR_TRY(check_free(source, least, positions));
  BenchLoad loaded;
  ROTOR_ASSIGN(loaded.model,
               load_for_cpu(std::move(source), load_options, weights, executor, pool));
  for (const std::string& warning : loaded.model->warnings) {
    fmt::print(stderr, "rotor: warning: {}\n", warning);
  }
  loaded.about = describe(*loaded.model, path, executor.isa);
  loaded.about.load_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return loaded;
}

}  // namespace rotor::cli
