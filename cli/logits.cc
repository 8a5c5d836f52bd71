// SPDX-License-Identifier: Apache-2.0
// rotor logits: the raw numbers, for comparison with other implementations.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <limits>
#include <memory>
#include <vector>

#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "npy.h"
#include "repeated_option.h"
#include "terminal.h"
#include "trace_files.h"

namespace rotor::cli {
namespace {

struct LogitsOptions {
  ModelOptions model;
  std::vector<TokenId> tokens;
  std::string out;
  std::string trace;
  std::string inject;
  size_t batch = 128;
};

Status write_logits(LogitsOptions options) {
  ROTOR_ASSIGN(const std::string model, resolve_model(options.model.model));
  ROTOR_TRY(check_output(model, options.out));
  options.model.every_logit = true;
  ROTOR_ASSIGN(const LoadedModel loaded, load(options.model, 1, options.batch));
  const size_t count = options.tokens.size();
  if (count > loaded.context) {
    return invalid_argument(fmt::format("{} tokens do not fit into the context of {} positions",
                                        count, loaded.context));
  }
  const bool traced = !options.trace.empty() || !options.inject.empty();
  if (traced && loaded.model->config.float_activations) {
    return invalid_argument("--trace and --inject: the activations of this model stay floats; there are "
                            "no integers to write or replace");
  }
  Executor& executor = *loaded.executor;
  TraceFiles trace(model, options.trace, options.inject, count);
  if (traced) {
    executor.set_trace(&trace);
  }
  ROTOR_ASSIGN(NpyWriter writer,
               NpyWriter::create(options.out, "<f4", {count, loaded.model->config.vocab}));
  KvSequence sequence(&executor.kv_pool());
  for (size_t begin = 0; begin < count; begin += options.batch) {
    const size_t end = std::min(count, begin + options.batch);
    ROTOR_TRY(sequence.extend(end - begin));
    Batch batch;
    for (size_t i = begin; i < end; ++i) {
      batch.rows.push_back({&sequence, i, options.tokens[i], true});
    }
    trace.set_first_token(begin);
    ROTOR_TRY(executor.forward(batch, &interrupt_flag()));
    for (size_t i = begin; i < end; ++i) {
      ROTOR_TRY(writer.write(std::as_bytes(executor.logits(i - begin).all)));
    }
  }
  ROTOR_TRY(trace.finish());
  return writer.commit();
}

}  // namespace

void add_logits_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command = app.add_subcommand("logits", "write the logits of given tokens as .npy");
  add_model_argument(*command, options->model);
  add_compute_options(*command, options->model);
  add_numbers<TokenId>(*command, "--tokens", options->tokens,
                       "token ids, taken as given (no BOS is added)", 0,
                       std::numeric_limits<TokenId>::max())
      ->required();
  command->add_option("--out", options->out, "file to write: float32 (tokens, vocabulary)")
      ->required();
  command->add_option("-b,--batch-size", options->batch, "tokens computed at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--trace", options->trace,
                      "folder for the int8 activations and integer results of every layer");
  command->add_option("--inject", options->inject,
                      "folder of int8 activations to use instead of the computed ones");
  command->footer("Example:\n  rotor logits --tokens 1,2,3 --kv f32 --out logits.npy");
  command->callback([options, &exit_code] {
    const Status status = write_logits(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
