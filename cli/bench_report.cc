// SPDX-License-Identifier: Apache-2.0
// The forms for programs have one list of fields; those that llama-bench has too bear its names.
#include "bench_report.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>
#include <numeric>

#include "bench_table.h"
#include "build_commit.h"
#include "output.h"

namespace rotor::cli {
namespace {

namespace json = boost::json;

json::value number_or_null(const std::optional<double>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
  if (values.size() < 2) {
    return 0.0;
  }
  const double middle = mean(values);
  double squares = 0.0;
  for (const double value : values) {
    squares += (value - middle) * (value - middle);
  }
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

uint64_t nanoseconds(double seconds) { return static_cast<uint64_t>(std::llround(1e9 * seconds)); }

json::object fields_of(const BenchMachine& machine, const BenchRow& row) {
  const BenchModel& model = row.model;
  const json::value governor =
      machine.governor.empty() ? json::value(nullptr) : json::value(machine.governor);
  return {{"model", model.name},
          {"isa", model.isa},
          {"format", model.format},
          {"head", model.head},
          {"n_threads", row.threads},
          {"batch", row.test.batch},
          {"n_prompt", row.test.prompt},
          {"n_gen", row.test.generate},
          {"n_depth", row.test.depth},
          {"test", test_name(row.test)},
          {"tokens_per_second", row.tokens_per_second},
          {"stddev", row.stddev},
          {"bytes_per_token", std::round(row.bytes_per_token)},
          {"head_rows_per_token", row.head_reads.rows},
          {"head_rests_per_token", row.head_reads.rests},
          {"gb_per_second", row.gb_per_second},
          {"available_gb_per_second", row.available_gb_per_second},
          {"tops", row.tops},
          {"available_tops", row.available_tops},
          {"joules_per_token", number_or_null(row.joules_per_token)},
          {"load_seconds", model.load_seconds},
          {"version", ROTOR_VERSION},
          {"build_commit", kBuildCommit},
          {"cpu_info", machine.cpu},
          {"governor", governor},
          {"model_filename", model.name},
          {"model_type", model.type},
          {"model_size", model.bytes},
          {"model_n_params", model.parameters},
          {"type_k", row.kv},
          {"type_v", row.kv},
          {"test_time", row.time},
          {"avg_ns", nanoseconds(mean(row.seconds))},
          {"stddev_ns", nanoseconds(deviation(row.seconds))},
          {"avg_ts", row.tokens_per_second},
          {"stddev_ts", row.stddev},
          {"peak_rss_bytes", row.peak_rss_bytes}};
}

// What a table has no place for.
void add_lists(const BenchRow& row, json::object& fields) {
  json::array phases;
  for (const BenchPhase& phase : row.phases) {
    phases.push_back(
        {{"name", phase.name}, {"seconds_per_pass", phase.seconds}, {"bytes_per_pass", phase.bytes}});
  }
  json::array times;
  json::array rates;
  for (const double seconds : row.seconds) {
    times.push_back(nanoseconds(seconds));
    rates.push_back(static_cast<double>(row.test.tokens()) / seconds);
  }
  fields["phases"] = std::move(phases);
  fields["samples_ns"] = std::move(times);
  fields["samples_ts"] = std::move(rates);
}

// A value between two marks that are doubled inside: quotation marks in CSV, apostrophes in SQL.
std::string quoted(std::string_view text, char mark) {
  std::string out(1, mark);
  for (const char c : text) {
    out += c;
    if (c == mark) {
      out += c;
    }
  }
  return out + mark;
}

// Numbers of six digits; bytes have no fraction and keep all of theirs.
std::string plain(double number) {
  return number == std::floor(number) ? fmt::format("{:.0f}", number)
                                      : fmt::format("{:.6g}", number);
}

std::string cell(const json::value& value, const char* null, char mark, bool always_marked) {
  if (value.is_null()) {
    return null;
  }
  if (value.is_string()) {
    const std::string_view text(value.get_string());
    const bool marked = always_marked || text.find_first_of(",\"\r\n") != std::string_view::npos;
    return marked ? quoted(text, mark) : std::string(text);
  }
  return value.is_double() ? plain(value.get_double()) : json::serialize(value);
}

std::string joined(const json::object& fields, std::string_view comma, const auto& text_of) {
  std::string line;
  for (const auto& field : fields) {
    line += (line.empty() ? "" : std::string(comma)) + text_of(field);
  }
  return line;
}

std::string name_of(const json::key_value_pair& field) { return std::string(field.key()); }

void print_csv(const BenchReport& report) {
  for (const BenchRow& row : report.rows) {
    const json::object fields = fields_of(report.machine, row);
    if (&row == report.rows.data()) {
      fmt::print("{}\n", joined(fields, ",", name_of));
    }
    fmt::print("{}\n", joined(fields, ",", [](const auto& field) {
                 return cell(field.value(), "", '"', false);
               }));
  }
}

// Columns of the table; INTEGER and REAL so that they compare as numbers.
std::string column(const json::key_value_pair& field) {
  const json::value& value = field.value();
  const char* type = value.is_string() ? "TEXT" : value.is_double() || value.is_null() ? "REAL"
                                                                                       : "INTEGER";
  return name_of(field) + " " + (field.key() == "governor" ? "TEXT" : type);
}

void print_sql(const BenchReport& report) {
  for (const BenchRow& row : report.rows) {
    const json::object fields = fields_of(report.machine, row);
    if (&row == report.rows.data()) {
      fmt::print("CREATE TABLE IF NOT EXISTS rotor_bench (\n  {}\n);\n\n",
                 joined(fields, ",\n  ", column));
    }
    fmt::print("INSERT INTO rotor_bench ({})\nVALUES ({});\n", joined(fields, ", ", name_of),
               joined(fields, ", ", [](const auto& field) {
                 return cell(field.value(), "NULL", '\'', true);
               }));
  }
}

void print_json(const BenchReport& report, bool lines) {
  json::array rows;
  for (const BenchRow& row : report.rows) {
    json::object fields = fields_of(report.machine, row);
    add_lists(row, fields);
    if (lines) {
      write_json(fields);
    } else {
      rows.push_back(std::move(fields));
    }
  }
  if (!lines) {
    write_json(rows);
  }
}

}  // namespace

void print_report(const BenchReport& report, std::string_view form) {
  if (form == "json" || form == "jsonl") {
    print_json(report, form == "jsonl");
  } else if (form == "csv") {
    print_csv(report);
  } else if (form == "sql") {
    print_sql(report);
  } else {
    print_markdown(report);
  }
}

}  // namespace rotor::cli
