// SPDX-License-Identifier: Apache-2.0
#include "bench_forecast.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/cpu_features.h"
#include "bench_model.h"
#include "integer_peak.h"
#include "machine.h"
#include "output.h"
#include "read_bandwidth.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

constexpr size_t kProbeRepeats = 3;

struct Machine {
  size_t threads = 0;
  std::string isa;
  uint64_t memory_bytes = 0;
  double bytes_per_second = 0.0;
  double operations_per_second = 0.0;
};

// One model with one head in one layout.
struct Forecast {
  std::string model;
  std::string format;
  std::string head;
  uint64_t ternary_weights = 0;
  MemoryPlan plan;
  uint64_t cache_bytes = 0;        // of the largest test
  size_t depth = 0;                // the largest
  double bytes_per_token = 0.0;    // at that depth
  double generated_per_second = 0.0;
  double prompt_per_second = 0.0;

  uint64_t needed() const { return plan.total(0) + cache_bytes; }
};

// With the most threads asked for.
Result<Machine> examine(const BenchOptions& options) {
  Machine machine;
  ROTOR_ASSIGN(const IsaLevel isa, selected_isa());
  machine.threads = *std::max_element(options.threads.begin(), options.threads.end());
  machine.isa = isa_name(isa);
  machine.memory_bytes = available_memory();
  ROTOR_ASSIGN(machine.bytes_per_second, measure_read_bandwidth(machine.threads, kProbeRepeats));
  machine.operations_per_second = measure_integer_peak(machine.threads, isa, kProbeRepeats);
  return machine;
}

Forecast forecast(const ModelSource& source, const Machine& machine, TernaryFormat format,
                  HeadMode head, KvType kv, const std::vector<BenchTest>& tests) {
  Forecast f;
  f.format = format_info(format).name;
  f.head = head_name(source, head);
  f.plan = plan_memory(source, format, kv, head);
  f.cache_bytes = cache_positions(tests) * f.plan.kv_bytes_per_position;
  for (const BenchTest& test : tests) {
    f.depth = std::max(f.depth, test.depth);
  }
  f.ternary_weights = ternary_parameters(source.config);
  // An embedding that is no head is read by row.
  const FloatSource& rows = source.head ? *source.head : source.embed;
  const bool full = f.head == "full";
  const uint64_t head_bytes =
      full ? uint64_t{rows.rows} * float_row_bytes(rows.type, rows.cols) : f.plan.embedding_bytes;
  f.bytes_per_token = static_cast<double>(matrix_bytes_of_token(f.plan, source.config) + head_bytes +
                                          f.depth * f.plan.kv_bytes_per_position);
  f.generated_per_second = machine.bytes_per_second / f.bytes_per_token;
  f.prompt_per_second =
      machine.operations_per_second / (2.0 * static_cast<double>(parameters_of_token(source.config)));
  return f;
}

Result<std::vector<Forecast>> forecasts(const BenchOptions& options, const std::string& path,
                                        const Machine& machine,
                                        const std::vector<BenchTest>& tests) {
  ROTOR_ASSIGN(const SourceOptions source_of, source_options(options.model));
  ROTOR_ASSIGN(const ModelSource source, open_model_source(path, source_of));
  const std::optional<TernaryFormat> asked = parse_format(options.model.weights);
  if (asked) {
    ROTOR_TRY(check_format(source, *asked));
  }
  std::vector<Forecast> all;
  for (const std::string& head : options.heads) {
    for (size_t i = 0; i < kTernaryFormats; ++i) {
      const auto format = static_cast<TernaryFormat>(i);
      if (asked ? *asked == format : check_format(source, format).ok()) {
        all.push_back(forecast(source, machine, format, head_mode(head), widest_kv(options.kv),
                               tests));
        all.back().model = source.path;
      }
    }
  }
  return all;
}

boost::json::object fields_of(const Forecast& f, const Machine& machine) {
  return {{"model", f.model},
          {"format", f.format},
          {"head", f.head},
          {"isa", machine.isa},
          {"n_threads", machine.threads},
          {"n_depth", f.depth},
          {"ternary_weights", f.ternary_weights},
          {"matrix_bytes", f.plan.ternary_bytes},
          {"head_bytes", f.plan.embedding_bytes},
          {"norm_bytes", f.plan.norm_bytes},
          {"cache_bytes", f.cache_bytes},
          {"memory_bytes", f.needed()},
          {"available_memory_bytes", machine.memory_bytes},
          {"fits", f.needed() <= machine.memory_bytes},
          {"bytes_per_token", f.bytes_per_token},
          {"available_gb_per_second", machine.bytes_per_second / 1e9},
          {"available_tops", machine.operations_per_second / 1e12},
          {"most_generated_per_second", f.generated_per_second},
          {"most_prompt_per_second", f.prompt_per_second}};
}

void print_table(const std::vector<Forecast>& all, const Machine& machine) {
  fmt::print("{}: {} threads read {:.1f} GB/s and reach {:.2f} TOPS; {} of memory are free\n\n",
             machine.isa, machine.threads, machine.bytes_per_second / 1e9,
             machine.operations_per_second / 1e12, format_bytes(machine.memory_bytes));
  fmt::print("| model | ternary weights | layout | head | matrices | embedding, head | cache | memory "
             "| fits | bytes/token @ d{} | tg t/s at most | pp t/s at most |\n",
             all.front().depth);
  fmt::print("|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (const Forecast& f : all) {
    fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.3g} | {:.3g} |\n",
               f.model, parameter_count(f.ternary_weights), f.format, f.head,
               format_bytes(f.plan.ternary_bytes), format_bytes(f.plan.embedding_bytes),
               format_bytes(f.cache_bytes), format_bytes(f.needed()),
               f.needed() <= machine.memory_bytes ? "yes" : "no",
               format_bytes(static_cast<uint64_t>(f.bytes_per_token)), f.generated_per_second,
               f.prompt_per_second);
  }
}

}  // namespace

Status print_forecast(const BenchOptions& options, const std::vector<std::string>& models,
                      const std::vector<BenchTest>& tests) {
  const std::string& form = options.output;
  if (form != "md" && form != "json" && form != "jsonl") {
    return invalid_argument("--plan is printed as md, json or jsonl, not as " + form);
  }
  ROTOR_ASSIGN(const Machine machine, examine(options));
  std::vector<Forecast> all;
  for (const std::string& path : models) {
    ROTOR_ASSIGN(const std::vector<Forecast> more, forecasts(options, path, machine, tests));
    all.insert(all.end(), more.begin(), more.end());
  }
  if (form == "md") {
    print_table(all, machine);
    return {};
  }
  boost::json::array rows;
  for (const Forecast& f : all) {
    if (form == "jsonl") {
      write_json(fields_of(f, machine));
    } else {
      rows.push_back(fields_of(f, machine));
    }
  }
  if (form == "json") {
    write_json(rows);
  }
  return {};
}

}  // namespace rotor::cli
