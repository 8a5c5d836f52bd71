// SPDX-License-Identifier: Apache-2.0
// rotor verify: checks a model file from end to end.
#include "model/verify.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>

#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct VerifyOptions {
  ModelOptions model;
  bool json = false;
};

void print_report(const std::string& path, const VerifyReport& report, bool json) {
  if (json) {
    const boost::json::object out = {{"model", path},
                                     {"ok", true},
                                     {"container", report.container},
                                     {"matrices", report.matrices},
                                     {"scale_rule", report.scale_rule},
                                     {"hashes_checked", report.hashes_checked},
                                     {"trits_sha256", report.trits_sha256},
                                     {"notes", boost::json::value_from(report.notes)},
                                     {"warnings", boost::json::value_from(report.warnings)}};
    write_json(out);
    return;
  }
  for (const std::string& warning : report.warnings) {
    fmt::print("warning: {}\n", warning);
  }
  const bool trits = !report.trits_sha256.empty();
  fmt::print("{}: ok ({}, {} {}matrices, {}, {} checksums compared)\n", path, report.container,
             report.matrices, trits ? "ternary " : "", report.scale_rule, report.hashes_checked);
  if (trits) {
    fmt::print("trits sha256 {}\n", report.trits_sha256);
  }
}

}  // namespace

void add_verify_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = app.add_subcommand("verify", "check structure, ranges and checksums of a model");
  add_model_argument(*command, options->model);
  command->add_option("-t,--threads", options->model.threads, "threads; 0: what the machine allows")
      ->envname("ROTOR_THREADS")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "print the report as JSON");
  command->add_flag("-q,--quiet", options->model.quiet, "no progress bar");
  command->footer("Example:\n  rotor verify\nExit code 3: damaged; 6: a checksum differs.");
  command->callback([options, &exit_code] {
    const auto run = [&]() -> Status {
      ROTOR_ASSIGN(const std::string path, resolve_model(options->model.model, Purpose::kText,
                                                         options->model.quiet));
      ROTOR_ASSIGN(const SourceOptions source, source_options(options->model));
      ThreadPool pool(options->model.threads != 0 ? options->model.threads
                                                  : default_thread_count());
      ROTOR_ASSIGN(const VerifyReport report,
                   verify_model(path, source, pool, progress_bar(options->model.quiet)));
      print_report(path, report, options->json);
      return {};
    };
    const Status status = run();
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
