// SPDX-License-Identifier: Apache-2.0
// What rotor bench found, and the forms it is printed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench_cost.h"
#include "bench_plan.h"

namespace rotor::cli {

// One verb of the decoder (model/verb_times.h), a pass.
struct BenchPhase {
  std::string_view name;
  double seconds = 0.0;
  double bytes = 0.0;               // weights, head and cache read; 0: next to nothing
};

// A model as it was loaded.
struct BenchModel {
  std::string name;                 // a path, or that of a synthetic shape
  std::string type;                 // "bitnet 2.41B fold243"
  std::string isa;
  std::string format;
  std::string head;                 // "two-stage" or "full"
  uint64_t bytes = 0;               // of the weights in memory
  uint64_t parameters = 0;
  double load_seconds = 0.0;
};

struct BenchRow {
  BenchModel model;
  std::string kv;
  size_t threads = 0;
  BenchTest test;
  std::string time;                 // when it began, UTC: "2026-01-31T12:00:00Z"
  std::vector<double> seconds;      // of each repetition
  double tokens_per_second = 0.0;   // mean of the repetitions' rates
  double stddev = 0.0;
  double bytes_per_token = 0.0;     // weights, head and cache read in a repetition, over its tokens
  double gb_per_second = 0.0;
  double available_gb_per_second = 0.0;
  HeadReads head_reads;
  double tops = 0.0;                // 10^12 operations a second in the ternary matrices
  double available_tops = 0.0;
  std::optional<double> joules_per_token;  // of the processor's packages; nullopt: not measured
  std::vector<BenchPhase> phases;   // empty unless asked for
  uint64_t peak_rss_bytes = 0;
};

struct BenchMachine {
  std::string cpu;
  std::string governor;             // of the clock frequency; empty where the system does not say
};

struct BenchReport {
  BenchMachine machine;
  std::vector<BenchRow> rows;
};

inline constexpr const char* kBenchForms[] = {"md", "csv", "json", "jsonl", "sql"};

// `form`: one of kBenchForms.
void print_report(const BenchReport& report, std::string_view form);

}  // namespace rotor::cli
