// SPDX-License-Identifier: Apache-2.0
// rotor ppl: how well a model predicts a text.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>

#include "commands.h"
#include "engine/perplexity.h"
#include "exit_code.h"
#include "model_options.h"
#include "output.h"
#include "terminal.h"
#include "text_input.h"

namespace rotor::cli {
namespace {

struct PplOptions {
  ModelOptions model;
  std::string file;
  bool json = false;
};

constexpr size_t kDefaultWindow = 512;
constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

// What is scored, and how many bytes of text that stands for.
struct ScoredText {
  std::vector<TokenId> tokens;
  size_t bytes = 0;
};

Result<ScoredText> encode_text(const Model& model, const std::string& path, TokenId bos) {
  if (model.tokenizer == nullptr) {
    return format_error(model.path + ": holds no tokenizer; rotor ppl needs one");
  }
  ROTOR_ASSIGN(const std::string text, read_text_input(path, kMaxTextBytes));
  EncodeOptions encode;
  encode.add_bos = false;
  encode.add_eos = false;
  ScoredText scored;
  ROTOR_ASSIGN(scored.tokens, model.tokenizer->encode(text, encode));
  scored.bytes = text.size();
  if (bos == kNoToken && !scored.tokens.empty()) {
    scored.bytes -= model.tokenizer->token_bytes(scored.tokens[0]).size();  // it is not scored
  }
  return scored;
}

void print_result(const PplOptions& options, const PerplexityResult& result,
                  const LoadedModel& loaded, size_t bytes) {
  if (options.json) {
    const boost::json::object out = {{"model", loaded.model->path},
                                     {"file", options.file},
                                     {"context", loaded.context},
                                     {"tokens", result.tokens},
                                     {"bytes", bytes},
                                     {"perplexity", result.perplexity()},
                                     {"perplexity_error", result.perplexity_error()},
                                     {"bits_per_byte", result.bits_per_byte(bytes)}};
    write_json(out);
    return;
  }
  fmt::print("perplexity {:.4f} +- {:.4f}  bits per byte {:.4f}  ({} tokens, {} bytes, windows of "
             "{})\n",
             result.perplexity(), result.perplexity_error(), result.bits_per_byte(bytes),
             result.tokens, bytes, loaded.context);
}

Status measure(PplOptions options) {
  if (options.model.context == 0) {
    options.model.context = kDefaultWindow;
  }
  options.model.every_logit = true;
  ROTOR_ASSIGN(const LoadedModel loaded, load(options.model, 1));
  const Tokenizer* tokenizer = loaded.model->tokenizer.get();
  const TokenId bos = tokenizer != nullptr && tokenizer->add_bos() ? tokenizer->bos() : kNoToken;
  ROTOR_ASSIGN(const ScoredText scored, encode_text(*loaded.model, options.file, bos));
  PerplexityOptions perplexity;
  perplexity.vocab = loaded.model->config.vocab;
  perplexity.context = loaded.context;
  perplexity.bos = bos;
  ROTOR_ASSIGN(const PerplexityResult result,
               score_tokens(*loaded.executor, scored.tokens, perplexity,
                            progress_bar(options.model.quiet), &interrupt_flag()));
  print_result(options, result, loaded, scored.bytes);
  return {};
}

}  // namespace

void add_ppl_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PplOptions>();
  CLI::App* command = app.add_subcommand("ppl", "perplexity and bits per byte of a text");
  add_model_argument(*command, options->model);
  command->add_option("-f,--file", options->file, "text to score; -: standard input")->required();
  add_compute_options(*command, options->model);
  command->add_flag("--json", options->json, "print the result as JSON");
  command->footer(
      "Example:\n"
      "  echo 'Once upon a time there was a king.' | rotor ppl -f -\n"
      "Windows of -c tokens (512) that do not overlap; every token is scored once.");
  command->callback([options, &exit_code] {
    const Status status = measure(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
