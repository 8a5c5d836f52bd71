// SPDX-License-Identifier: Apache-2.0
// rotor bench: tokens a second for prompts and for generation, beside what memory and arithmetic allow.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "bench_cost.h"
#include "bench_forecast.h"
#include "bench_model.h"
#include "bench_plan.h"
#include "bench_report.h"
#include "bench_run.h"
#include "commands.h"
#include "exit_code.h"
#include "integer_peak.h"
#include "machine.h"
#include "model/synthetic_source.h"
#include "read_bandwidth.h"
#include "repeated_option.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

constexpr size_t kProbeRepeats = 5;        // before the first test and after the last
constexpr size_t kProbeRepeatsBetween = 1;

// The better of what was measured before, between and after the tests: what others do on the machine
// comes and goes.
struct Limits {
  double bytes_per_second = 0.0;
  double operations_per_second = 0.0;

  // Reads the very weights where they are too large for the caches, so that no second buffer of their
  // size is needed.
  Status measure(const Model& model, size_t threads, IsaLevel isa, size_t repeats) {
    constexpr double kBeyondAllCaches = 256e6;
    std::vector<std::span<const std::byte>> memory;
    if (weight_bytes(model) >= kBeyondAllCaches) {
      memory = weight_memory(model);
    }
    ROTOR_ASSIGN(const double bytes, measure_read_bandwidth(threads, repeats, memory));
    bytes_per_second = std::max(bytes_per_second, bytes);
    operations_per_second =
        std::max(operations_per_second, measure_integer_peak(threads, isa, repeats));
    return {};
  }
};

// All tests with one model, one type of cache and one number of threads.
Status measure_tests(const BenchOptions& options, const BenchLoad& loaded, const std::string& kv,
                     size_t threads, const std::vector<BenchTest>& tests, BenchReport& report) {
  CpuExecutorOptions executor_options;
  executor_options.threads = threads;
  executor_options.max_batch = pass_rows(tests);
  executor_options.kv_positions = cache_positions(tests);
  executor_options.kv_type = *parse_kv_type(kv);
  executor_options.measure = options.profile;
  ROTOR_ASSIGN(executor_options.isa, selected_isa());
  ROTOR_ASSIGN(const std::unique_ptr<Executor> executor,
               make_cpu_executor(loaded.model, executor_options));
  const BenchSetting setting = {*loaded.model, executor_options.kv_type, executor_options.max_batch};
  BenchRun run(options, setting, *executor);
  Limits limits;
  const auto measure_limits = [&](size_t repeats) {
    return limits.measure(*loaded.model, threads, executor_options.isa, repeats);
  };
  ROTOR_TRY(measure_limits(kProbeRepeats));
  const size_t first = report.rows.size();
  Status status;
  for (size_t i = 0; i < tests.size() && status.ok(); ++i) {
    Result<BenchRow> row = run.measure(tests[i]);
    status = row.status();
    if (row.ok()) {
      status = measure_limits(i + 1 < tests.size() ? kProbeRepeatsBetween : kProbeRepeats);
      row->model = loaded.about;
      row->kv = kv;
      row->threads = threads;
      row->peak_rss_bytes = peak_resident_bytes();
      report.rows.push_back(*std::move(row));
    }
  }
  for (BenchRow& row : std::span(report.rows).subspan(first)) {
    row.available_gb_per_second = limits.bytes_per_second / 1e9;
    row.available_tops = limits.operations_per_second / 1e12;
  }
  return status;
}

// What was measured before a failure is in the report.
Status bench(const BenchOptions& options, BenchReport& report) {
  ROTOR_ASSIGN(const std::vector<BenchTest> tests, plan_tests(options));
  ROTOR_ASSIGN(const std::vector<std::string> models, bench_models(options));
  if (options.plan) {
    return print_forecast(options, models, tests);
  }
  report.machine = {cpu_features().model, frequency_governor()};
  for (const std::string& path : models) {
    for (const std::string& head : options.heads) {
      ROTOR_ASSIGN(const BenchLoad loaded,
                   load_for_bench(options, path, head, cache_positions(tests)));
      for (const std::string& kv : options.kv) {
        for (const size_t threads : options.threads) {
          ROTOR_TRY(measure_tests(options, loaded, kv, threads, tests, report));
        }
      }
    }
  }
  return {};
}

Status bench_and_print(BenchOptions options) {
  if (options.threads.empty()) {
    options.threads = {default_thread_count()};
  }
  BenchReport report;
  const Status status = bench(options, report);
  if (!report.rows.empty()) {
    print_report(report, options.output);
  }
  return status;
}

constexpr const char* kFooter =
    "A list is numbers and ranges with commas between: 1,2 or 1-8 or 1-8+2 (1 3 5 7) or 1-8*2\n"
    "(1 2 4 8). Every option that takes one may be given several times.\n"
    "Examples:\n"
    "  rotor bench -p 128 -n 32 -t 1,2 -r 3\n"
    "  rotor bench -p 0 -n 16 -b 1-4*2 -d 0,512 -r 2 -o csv\n"
    "  rotor bench -p 0 -n 0 -pg 64,16 -r 2 -o jsonl\n"
    "  rotor bench --synthetic bitnet-70b,bitnet-100b --plan\n"
    "  rotor bench --synthetic bitnet-2b-4t -m MODEL --head two-stage,full -d 0,4096 -o sql";

void add_tests(CLI::App& command, BenchOptions& options) {
  constexpr size_t kMostTokens = size_t{1} << 20;
  add_ranges(command, "-p,--n-prompt", options.prompt, "tokens of a prompt; 0: none", 0, kMostTokens)
      ->default_str("512");
  add_ranges(command, "-n,--n-gen", options.generate, "tokens to generate; 0: none", 0, kMostTokens)
      ->default_str("128");
  add_pairs(command, "--pg", options.pairs,
            "-pg P,N: a prompt of P tokens, then N generated, as one rate", 0, kMostTokens);
  add_ranges(command, "-d,--n-depth", options.depth,
             "tokens in the cache before; more than the context that a model was made for is measured too",
             0, kMostTokens)
      ->default_str("0");
  add_ranges(command, "-b,--batch", options.batch, "sequences generated at once", 1, 1024)
      ->default_str("1");
  add_ranges(command, "-t,--threads", options.threads, "thread counts", 1, 1024);
  command.add_option("-r,--repeats,--repetitions", options.repeats, "measured repetitions of a test")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_flag("--no-warmup", options.no_warmup, "no repetition before those measured");
}

void add_models(CLI::App& command, BenchOptions& options) {
  add_texts(command, "MODEL,-m,--model", options.models,
            "as for rotor run, also ROTOR_MODEL; several are measured one after the other");
  add_names(command, "--synthetic", options.synthetic, "random weights in a published shape",
            synthetic_names());
  add_source_options(command, options.model);
  command
      .add_option("--weights", options.model.weights,
                  "layout of the ternary matrices in memory; auto: the fastest here")
      ->envname("ROTOR_WEIGHTS")
      ->check(CLI::IsMember({"auto", "i2", "dense243", "fold243", "planes2"}))
      ->capture_default_str();
  add_names(command, "--head", options.heads,
            "how the head is kept; full is the worst case, every row of it read for every token",
            {"auto", "full", "two-stage"})
      ->envname("ROTOR_HEAD")
      ->default_str("auto");
  add_names(command, "--kv", options.kv, "types of the key/value cache", {"f16", "bf16", "f32", "int8"})
      ->default_str("f16");
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "measure speed beside what memory and arithmetic allow");
  add_models(*command, *options);
  add_tests(*command, *options);
  command->add_option("-o,--output", options->output, "form of the report")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kBenchForms), std::end(kBenchForms))))
      ->capture_default_str();
  command->add_flag("--profile", options->profile,
                    "also the time of each phase of the decoder, and what it reads");
  command->add_flag("--plan,--dry-run", options->plan,
                    "load nothing: the memory that each layout would need, and the speed that the "
                    "machine's limits allow");
  command->add_flag("-q,--quiet", options->model.quiet, "no progress bar");
  command->footer(kFooter);
  command->callback([options, &exit_code] {
    const Status status = bench_and_print(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
