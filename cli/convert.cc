// SPDX-License-Identifier: Apache-2.0
// rotor convert: writes any readable model as .rotor, GGUF or a Hugging Face folder.
#include "model/convert.h"

#include <CLI/CLI.hpp>
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

struct Options {
  ModelOptions model;
  std::string output;
  std::string target;  // empty: as the name of the output says
  std::string type;    // of ternary matrices in GGUF; empty: the one that fits
  bool allow_rounding = false;
  bool json = false;
};

Result<ConvertOptions> convert_options(const Options& options) {
  ConvertOptions out;
  out.allow_rounding = options.allow_rounding;
  if (options.target.empty()) {
    ROTOR_ASSIGN(out.target, convert_target_of(options.output));
  } else {
    out.target = *parse_convert_target(options.target);
  }
  if (!options.type.empty() && out.target != ConvertTarget::kGguf) {
    return invalid_argument("--type " + options.type + " is a type of GGUF; choose a name that ends in "
                            ".gguf, or say --to gguf");
  }
  out.gguf_weights = parse_gguf_weights(options.type);
  return out;
}

void print_result(const Options& options, ConvertTarget target, const ConvertResult& result) {
  if (options.json) {
    const boost::json::object out = {{"output", options.output},
                                     {"format", convert_target_name(target)},
                                     {"file_bytes", result.file_bytes},
                                     {"trits_sha256", result.trits_sha256},
                                     {"notes", boost::json::value_from(result.notes)}};
    write_json(out);
    return;
  }
  fmt::print("{}  {}\ntrits sha256 {}\n", options.output, format_bytes(result.file_bytes),
             result.trits_sha256);
}

Status convert(const Options& options) {
  ROTOR_TRY(check_output(options.model.model, options.output));  // the graver reason first
  ROTOR_ASSIGN(const ConvertOptions convert_opts, convert_options(options));
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
               convert_model(source, options.output, convert_opts, pool,
                             progress_bar(options.model.quiet), &termination_flag()));
  for (const std::string& note : result.notes) {
    fmt::print(stderr, "rotor: note: {}\n", note);
  }
  print_result(options, convert_opts.target, result);
  return {};
}

}  // namespace

void add_convert_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("convert", "write a model as .rotor, GGUF or a Hugging Face folder");
  command->add_option("SRC", options->model.model, "model to read: path, org/name or alias; or synthetic:NAME")
      ->required();
  command->add_option("DST", options->output, "file to write, or a folder that is new or empty")
      ->required();
  command
      ->add_option("--to", options->target,
                   "format to write; left out, .gguf and folders (existing ones, or names that end in "
                   "'/') mean gguf and hf, other names rotor")
      ->check(CLI::IsMember({"rotor", "gguf", "hf"}));
  std::vector<std::string> types;
  for (const GgufWeights type : kAllGgufWeights) {
    types.emplace_back(gguf_weights_name(type));
  }
  command
      ->add_option("--type", options->type,
                   "GGUF: type of the ternary matrices; left out, i2_s or, where it cannot hold them, "
                   "q2_0. llama.cpp reads tq1_0, tq2_0 and q2_0, bitnet.cpp i2_s")
      ->check(CLI::IsMember(types));
  command->add_flag("--allow-rounding", options->allow_rounding,
                    "GGUF: round scales that binary16 cannot hold; else such a model is refused");
  add_source_options(*command, options->model);
  command->add_option("-t,--threads", options->model.threads, "threads; 0: what the machine allows")
      ->envname("ROTOR_THREADS")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--json", options->json, "print the result as JSON");
  command->add_flag("-q,--quiet", options->model.quiet, "no progress bar");
  command->footer(
      "Ternary values are proved to be the same, whatever is written.\n\n"
      "Examples:\n"
      "  rotor convert synthetic:tiny tiny.rotor\n"
      "  rotor convert tiny.rotor tiny.gguf --type q2_0\n"
      "  rotor convert tiny.gguf tiny-hf/");
  command->callback([options, &exit_code] {
    const Status status = convert(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
