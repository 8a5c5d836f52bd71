// SPDX-License-Identifier: Apache-2.0
// The first columns are those of llama-bench.
#include "bench_table.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "bench_model.h"
#include "build_commit.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

std::string percent_of(double part, double whole, std::string_view unit) {
  return fmt::format("{:.0f} % of {:.3g} {}", 100 * part / whole, whole, unit);
}

std::string bytes(double count) { return format_bytes(static_cast<uint64_t>(count)); }

struct Column {
  const char* name;
  std::string (*text)(const BenchRow& row);
};

constexpr Column kColumns[] = {
    {"model", [](const BenchRow& row) { return row.model.type; }},
    {"size", [](const BenchRow& row) { return format_bytes(row.model.bytes); }},
    {"params", [](const BenchRow& row) { return parameter_count(row.model.parameters); }},
    {"isa", [](const BenchRow& row) { return row.model.isa; }},
    {"head", [](const BenchRow& row) { return row.model.head; }},
    {"kv", [](const BenchRow& row) { return row.kv; }},
    {"threads", [](const BenchRow& row) { return std::to_string(row.threads); }},
    {"batch", [](const BenchRow& row) { return std::to_string(row.test.batch); }},
    {"test", [](const BenchRow& row) { return test_name(row.test); }},
    {"t/s", [](const BenchRow& row) {
       return fmt::format("{:.2f} \u00b1 {:.2f}", row.tokens_per_second, row.stddev);
     }},
    {"bytes/token", [](const BenchRow& row) { return bytes(row.bytes_per_token); }},
    {"GB/s", [](const BenchRow& row) { return fmt::format("{:.2f}", row.gb_per_second); }},
    {"of readable", [](const BenchRow& row) {
       return percent_of(row.gb_per_second, row.available_gb_per_second, "GB/s");
     }},
    {"TOPS", [](const BenchRow& row) { return fmt::format("{:.3f}", row.tops); }},
    {"of peak", [](const BenchRow& row) {
       return percent_of(row.tops, row.available_tops, "TOPS");
     }},
    {"head rows", [](const BenchRow& row) { return fmt::format("{:.1f}", row.head_reads.rows); }},
    {"J/token", [](const BenchRow& row) {
       return row.joules_per_token ? fmt::format("{:.3g}", *row.joules_per_token) : "";
     }},
};

// Two columns would say the same in nearly every run.
bool worth_a_column(const BenchReport& report, std::string_view name) {
  const auto in_some_row = [&](const auto& condition) {
    return std::any_of(report.rows.begin(), report.rows.end(), condition);
  };
  if (name == "kv") {
    return in_some_row([](const BenchRow& row) { return row.kv != "f16"; });
  }
  if (name == "J/token") {
    return in_some_row([](const BenchRow& row) { return row.joules_per_token.has_value(); });
  }
  return true;
}

void print_phases(const BenchRow& row) {
  double all = 0.0;
  for (const BenchPhase& phase : row.phases) {
    all += phase.seconds;
  }
  fmt::print("\n{}, {} head, {} threads, batch {}, {}: {:.2f} ms a pass\n\n", row.model.type,
             row.model.head, row.threads, row.test.batch, test_name(row.test), 1e3 * all);
  fmt::print("| phase | ms | share | read | GB/s |\n|---|---|---|---|---|\n");
  for (const BenchPhase& phase : row.phases) {
    fmt::print("| {} | {:.2f} | {:.0f} % | {} | {:.1f} |\n", phase.name, 1e3 * phase.seconds,
               100 * phase.seconds / all, bytes(phase.bytes), phase.bytes / phase.seconds / 1e9);
  }
}

void print_machine(const BenchMachine& machine) {
  fmt::print("{}, governor {}; rotor {}, build {}\n\n", machine.cpu,
             machine.governor.empty() ? "unknown" : machine.governor, ROTOR_VERSION, kBuildCommit);
}

}  // namespace

void print_markdown(const BenchReport& report) {
  print_machine(report.machine);
  std::vector<Column> columns;
  std::copy_if(std::begin(kColumns), std::end(kColumns), std::back_inserter(columns),
               [&](const Column& column) { return worth_a_column(report, column.name); });
  const auto print_line = [&](const auto& text_of) {
    for (const Column& column : columns) {
      fmt::print("| {} ", text_of(column));
    }
    fmt::print("|\n");
  };
  print_line([](const Column& column) { return std::string(column.name); });
  print_line([](const Column&) { return std::string("---"); });
  for (const BenchRow& row : report.rows) {
    print_line([&](const Column& column) { return column.text(row); });
  }
  const BenchModel* last = nullptr;
  for (const BenchRow& row : report.rows) {
    if (last == nullptr || last->name != row.model.name || last->head != row.model.head) {
      last = &row.model;
      fmt::print("\n{}, {} head: loaded in {:.2f} s", last->name, last->head, last->load_seconds);
    }
  }
  const BenchRow& end = report.rows.back();
  fmt::print("\npeak memory {}{}\n", format_bytes(end.peak_rss_bytes),
             end.joules_per_token ? "" : "; energy: not measured");
  for (const BenchRow& row : report.rows) {
    if (!row.phases.empty()) {
      print_phases(row);
    }
  }
}

}  // namespace rotor::cli
