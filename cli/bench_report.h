// SPDX-License-Identifier: Apache-2.0
// What rotor bench found, and the forms it is printed in.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rotor::cli {

// One verb of the decoder (model/verb_times.h), a pass.
struct BenchPhase {
  std::string_view name;
  double seconds = 0.0;
  double bytes = 0.0;               // weights, head and cache read; 0: next to nothing
};

struct BenchRow {
  size_t threads = 0;
  size_t batch = 0;
  size_t prompt = 0;
  size_t generate = 0;
  double tokens_per_second = 0.0;
  double stddev = 0.0;
  double bytes_per_token = 0.0;     // weights, head and cache read for one step, over its tokens
  double gb_per_second = 0.0;
  double available_gb_per_second = 0.0;
  double head_rows = 0.0;           // rows of the head read for a token, beside its coarse form
  std::vector<BenchPhase> phases;   // empty unless asked for
};

struct BenchReport {
  std::string model;
  std::string isa;
  std::string format;
  std::string head;
  double load_seconds = 0.0;
  std::vector<BenchRow> rows;
};

// `form`: "md", "csv" or "json".
void print_report(const BenchReport& report, std::string_view form);

}  // namespace rotor::cli
