// SPDX-License-Identifier: Apache-2.0
// rotor convert: writes any readable model as .rotor.
#include "model/convert.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct ConvertOptions {
  ModelOptions model;
  std::string output;
  std::string format;  // empty: as the name of the output says
  bool json = false;
};

// A name that promises another container needs --to: nobody should find a .rotor file under it.
Status check_name(const ConvertOptions& options) {
  const std::string extension = std::filesystem::path(options.output).extension().string();
  if (options.format.empty() && (extension == ".gguf" || extension == ".safetensors")) {
    return invalid_argument(options.output +
                            ": only .rotor can be written; choose a name that ends "
                            "so, or say --to rotor");
  }
  return {};
}

Status convert(const ConvertOptions& options) {
  ROTOR_TRY(check_output(options.model.model, options.output));  // the graver reason first
  ROTOR_TRY(check_name(options));
  ROTOR_ASSIGN(const SourceOptions source_opts, source_options(options.model));
  ROTOR_ASSIGN(const std::string path, resolve_model(options.model.model, Purpose::kText,
                                                     options.model.quiet));
  ROTOR_TRY(check_output(path, options.output));  // of a name, in the cache
  ROTOR_ASSIGN(const ModelSource source, open_model_source(path, source_opts));
  ThreadPool pool(options.model.threads != 0 ? options.model.threads : default_thread_count());
  for (const std::string& note : source.notes) {
    fmt::print(stderr, "rotor: note: {}\n", note);
  }
  ROTOR_ASSIGN(const ConvertResult result,
               convert_to_rotor(source, options.output, pool, progress_bar(options.model.quiet),
                                &termination_flag()));
  if (options.json) {
    const boost::json::object out = {{"output", options.output},
                                     {"format", "rotor"},
                                     {"file_bytes", result.file_bytes},
                                     {"trits_sha256", result.trits_sha256}};
    write_json(out);
    return {};
  }
  fmt::print("{}  {}\ntrits sha256 {}\n", options.output, format_bytes(result.file_bytes),
             result.trits_sha256);
  return {};
}

}  // namespace

void add_convert_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ConvertOptions>();
  CLI::App* command = app.add_subcommand("convert", "write a model as a .rotor file");
  command->add_option("SRC", options->model.model, "model to read: path, org/name or alias; or synthetic:NAME")->required();
  command->add_option("DST", options->output, "file to write")->required();
  command
      ->add_option("--to", options->format,
                   "format to write, whatever DST is called; only rotor can be written")
      ->check(CLI::IsMember({"rotor"}));
  add_source_options(*command, options->model);
  command->add_option("-t,--threads", options->model.threads, "threads; 0: what the machine allows")
      ->envname("ROTOR_THREADS")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "print the result as JSON");
  command->add_flag("-q,--quiet", options->model.quiet, "no progress bar");
  command->footer("Example:\n  rotor convert synthetic:tiny tiny.rotor");
  command->callback([options, &exit_code] {
    const Status status = convert(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
