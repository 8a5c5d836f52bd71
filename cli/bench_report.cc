// SPDX-License-Identifier: Apache-2.0
#include "bench_report.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

void print_json(const BenchReport& report) {
  boost::json::array rows;
  for (const BenchRow& row : report.rows) {
    boost::json::array phases;
    for (const BenchPhase& phase : row.phases) {
      phases.push_back(
          {{"name", phase.name}, {"seconds_per_pass", phase.seconds}, {"bytes_per_pass", phase.bytes}});
    }
    rows.push_back({{"model", report.model},
                    {"isa", report.isa},
                    {"format", report.format},
                    {"head", report.head},
                    {"n_threads", row.threads},
                    {"batch", row.batch},
                    {"n_prompt", row.prompt},
                    {"n_gen", row.generate},
                    {"tokens_per_second", row.tokens_per_second},
                    {"stddev", row.stddev},
                    {"bytes_per_token", row.bytes_per_token},
                    {"head_rows_per_token", row.head_rows},
                    {"gb_per_second", row.gb_per_second},
                    {"available_gb_per_second", row.available_gb_per_second},
                    {"load_seconds", report.load_seconds},
                    {"phases", std::move(phases)},
                    {"peak_rss_bytes", peak_resident_bytes()}});
  }
  write_json(rows);
}

void print_csv(const BenchReport& report) {
  fmt::print("model,isa,format,head,n_threads,batch,n_prompt,n_gen,tokens_per_second,stddev,"
             "bytes_per_token,head_rows_per_token,gb_per_second,available_gb_per_second,"
             "load_seconds,peak_rss_bytes\n");
  for (const BenchRow& row : report.rows) {
    fmt::print("{},{},{},{},{},{},{},{},{:.3f},{:.3f},{:.0f},{:.1f},{:.3f},{:.3f},{:.3f},{}\n",
               report.model, report.isa, report.format, report.head, row.threads, row.batch,
               row.prompt, row.generate, row.tokens_per_second, row.stddev, row.bytes_per_token, row.head_rows,
               row.gb_per_second, row.available_gb_per_second, report.load_seconds,
               peak_resident_bytes());
  }
}

std::string name_of_test(const BenchRow& row) {
  return row.generate == 0 ? fmt::format("prompt {}", row.prompt)
                           : fmt::format("generate {}", row.generate);
}

void print_phases(const BenchRow& row) {
  double all = 0.0;
  for (const BenchPhase& phase : row.phases) {
    all += phase.seconds;
  }
  fmt::print("\n{} threads, batch {}, {}: {:.2f} ms a pass\n\n", row.threads, row.batch,
             name_of_test(row), 1e3 * all);
  fmt::print("| phase | ms | share | read | GB/s |\n|---|---|---|---|---|\n");
  for (const BenchPhase& phase : row.phases) {
    fmt::print("| {} | {:.2f} | {:.0f} % | {} | {:.1f} |\n", phase.name, 1e3 * phase.seconds,
               100 * phase.seconds / all, format_bytes(static_cast<uint64_t>(phase.bytes)),
               phase.bytes / phase.seconds / 1e9);
  }
}

void print_markdown(const BenchReport& report) {
  fmt::print("{}, {}, {} weights, {} head; loaded in {:.2f} s, peak memory {}\n\n", report.model,
             report.isa, report.format, report.head, report.load_seconds,
             format_bytes(peak_resident_bytes()));
  fmt::print("| threads | batch | test | tokens/s | +- | bytes/token | head rows | GB/s | "
             "of readable |\n");
  fmt::print("|---|---|---|---|---|---|---|---|---|\n");
  for (const BenchRow& row : report.rows) {
    fmt::print("| {} | {} | {} | {:.2f} | {:.2f} | {} | {:.0f} | {:.2f} | {:.0f} % of {:.1f} GB/s |\n",
               row.threads, row.batch, name_of_test(row), row.tokens_per_second, row.stddev,
               format_bytes(static_cast<uint64_t>(row.bytes_per_token)), row.head_rows,
               row.gb_per_second,
               100.0 * row.gb_per_second / row.available_gb_per_second,
               row.available_gb_per_second);
  }
  for (const BenchRow& row : report.rows) {
    if (!row.phases.empty()) {
      print_phases(row);
    }
  }
}

}  // namespace

void print_report(const BenchReport& report, std::string_view form) {
  if (form == "json") {
    print_json(report);
  } else if (form == "csv") {
    print_csv(report);
  } else {
    print_markdown(report);
  }
}

}  // namespace rotor::cli
