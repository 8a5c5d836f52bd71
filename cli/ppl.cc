// SPDX-License-Identifier: Apache-2.0
// rotor ppl: how well a model predicts a text, and how far it is from saved logits of another.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <optional>

#include "commands.h"
#include "engine/kl_divergence.h"
#include "engine/perplexity.h"
#include "engine/saved_logits.h"
#include "exit_code.h"
#include "kld_report.h"
#include "model_options.h"
#include "output.h"
#include "terminal.h"
#include "text_input.h"

namespace rotor::cli {
namespace {

struct PplOptions {
  ModelOptions model;
  std::string file;
  PerplexityMethod method = PerplexityMethod::kWindows;
  size_t stride = 0;
  size_t chunks = 0;
  std::string save_logits;
  std::string kld;
  bool json = false;
};

const std::map<std::string, PerplexityMethod> kMethods = {
    {"windows", PerplexityMethod::kWindows}, {"second-half", PerplexityMethod::kSecondHalf}};
constexpr size_t kDefaultWindow = 512;
constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;

// What is asked of a text.
struct Text {
  std::vector<TokenId> tokens;
  PerplexityOptions options;
  size_t bytes = 0;  // of all that is scored, where every token is; else 0
};

Result<Text> encode_text(const PplOptions& options, const Model& model, size_t context) {
  if (model.tokenizer == nullptr) {
    return format_error(model.path + ": holds no tokenizer; rotor ppl needs one");
  }
  const Tokenizer& tokenizer = *model.tokenizer;
  const TokenId bos = tokenizer.add_bos() ? tokenizer.bos() : kNoToken;
  ROTOR_ASSIGN(const std::string bytes, read_text_input(options.file, kMaxTextBytes));
  EncodeOptions encode;
  encode.add_bos = options.method != PerplexityMethod::kWindows && bos != kNoToken;
  encode.add_eos = false;
  Text text;
  ROTOR_ASSIGN(text.tokens, tokenizer.encode(bytes, encode));
  text.options = {model.config.vocab, context,        bos,
                  options.method,     options.stride, options.chunks};
  if (options.method == PerplexityMethod::kWindows && options.chunks == 0 && !text.tokens.empty()) {
    const bool all = bos != kNoToken;
    text.bytes = bytes.size() - (all ? 0 : tokenizer.token_bytes(text.tokens[0]).size());
  }
  return text;
}

// The text of saved logits, to be scored as it was then.
Result<Text> saved_text(const PplOptions& options, const Model& model,
                        const SavedLogitsHeader& header) {
  if (header.vocab != model.config.vocab) {
    return invalid_argument(fmt::format("{} is of a vocabulary of {} tokens, {} has {}", options.kld,
                                        header.vocab, model.path, model.config.vocab));
  }
  const bool begins = model.tokenizer != nullptr && model.tokenizer->add_bos();
  Text text;
  text.tokens = header.tokens;
  text.options.vocab = header.vocab;
  text.options.context = header.context;
  text.options.bos = begins ? model.tokenizer->bos() : kNoToken;
  text.options.method = PerplexityMethod::kSecondHalf;
  text.options.max_windows = options.chunks;
  return text;
}

const char* method_name(PerplexityMethod method) {
  switch (method) {
    case PerplexityMethod::kWindows: return "windows";
    case PerplexityMethod::kSecondHalf: return "second-half";
    case PerplexityMethod::kStride: return "stride";
  }
  return "";
}

void print_result(const PplOptions& options, const PerplexityResult& result, const Text& text,
                  const Model& model, size_t bytes, const KlDivergence& divergence) {
  if (options.json) {
    boost::json::object out = {{"model", model.path},
                               {"file", options.file},
                               {"method", method_name(text.options.method)},
                               {"context", text.options.context},
                               {"windows", result.windows},
                               {"tokens", result.tokens},
                               {"bytes", bytes},
                               {"perplexity", result.perplexity()},
                               {"perplexity_error", result.perplexity_error()},
                               {"bits_per_byte", result.bits_per_byte(bytes)}};
    if (!options.kld.empty()) {
      out["kld"] = kld_json(divergence, options.kld);
    }
    write_json(out);
    return;
  }
  fmt::print("perplexity {:.4f} +- {:.4f}  bits per byte {:.4f}  ({} tokens, {} bytes, {}, context "
             "{})\n",
             result.perplexity(), result.perplexity_error(), result.bits_per_byte(bytes),
             result.tokens, bytes, method_name(text.options.method), text.options.context);
  if (!options.kld.empty()) {
    print_kld(divergence, options.kld);
  }
}

Status measure(PplOptions options) {
  std::optional<SavedLogitsReader> base;
  if (!options.kld.empty()) {
    ROTOR_ASSIGN(base, SavedLogitsReader::open(options.kld));
    options.model.context = base->header().context;
  } else if (options.model.context == 0) {
    options.model.context = kDefaultWindow;
  }
  options.model.every_logit = true;
  ROTOR_ASSIGN(const std::string path, resolve_model(options.model.model));
  if (!options.save_logits.empty()) {
    ROTOR_TRY(check_output(path, options.save_logits));
    ROTOR_TRY(check_output(options.file, options.save_logits));
  }
  ROTOR_ASSIGN(const LoadedModel loaded, load(options.model, 1));
  const Model& model = *loaded.model;
  ROTOR_ASSIGN(const Text text, base ? saved_text(options, model, base->header())
                                     : encode_text(options, model, loaded.context));
  std::optional<SavedLogitsWriter> writer;
  if (!options.save_logits.empty()) {
    SavedLogitsHeader header{loaded.context, model.config.vocab, text.tokens};
    const size_t chunks = text.tokens.size() / loaded.context;
    header.tokens.resize((options.chunks == 0 ? chunks : std::min(chunks, options.chunks)) *
                         loaded.context);
    ROTOR_ASSIGN(writer, SavedLogitsWriter::create(options.save_logits, header));
  }
  size_t bytes = 0;  // that the scored tokens stand for
  KlDivergence divergence;
  const auto visit = [&](const ScoredToken& scored) -> Status {
    bytes += model.tokenizer == nullptr ? 0 : model.tokenizer->token_bytes(scored.token).size();
    if (writer) {
      ROTOR_TRY(writer->write(scored.logits, scored.log_probability));
    }
    if (base) {
      ROTOR_ASSIGN(const SavedRow* row, base->next());
      divergence.add(scored, *row);
    }
    return {};
  };
  ROTOR_ASSIGN(const PerplexityResult result,
               score_tokens(*loaded.executor, text.tokens, text.options,
                            progress_bar(options.model.quiet), &termination_flag(), visit));
  if (writer) {
    ROTOR_TRY(writer->commit());
  }
  print_result(options, result, text, model, text.bytes != 0 ? text.bytes : bytes, divergence);
  return {};
}

}  // namespace

void add_ppl_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PplOptions>();
  CLI::App* command = app.add_subcommand("ppl", "perplexity and bits per byte of a text");
  add_model_argument(*command, options->model);
  auto* file = command->add_option("-f,--file", options->file, "text to score; -: standard input");
  add_compute_options(*command, options->model);
  auto* method = command
                     ->add_option("--method", options->method,
                                  "windows: every token once, in windows of -c tokens that do not "
                                  "overlap. second-half: as llama-perplexity, chunks of -c tokens, in "
                                  "each those after the first half and one")
                     ->transform(CLI::CheckedTransformer(kMethods))
                     ->default_str("windows");
  auto* stride =
      command
          ->add_option("--stride", options->stride,
                       "as the guide of transformers: windows of -c tokens that begin every N tokens; "
                       "in each, the tokens that are new")
          ->check(CLI::Range(1, (1 << 24) - 1))
          ->excludes(method);
  command
      ->add_option("--chunks", options->chunks, "stop after so many windows or chunks; 0: the whole text")
      ->check(CLI::NonNegativeNumber);
  auto* save = command
                   ->add_option("--save-logits", options->save_logits,
                                "write the log-probabilities to this file (2 bytes a token of the "
                                "vocabulary for each scored token); implies --method second-half")
                   ->needs(file)
                   ->excludes(stride);
  auto* kld = command
                  ->add_option("--kld", options->kld,
                               "compare with saved logits, of --save-logits or of llama-perplexity "
                               "--kl-divergence-base, over the text and in the chunks that they hold")
                  ->excludes(file)
                  ->excludes(method)
                  ->excludes(stride)
                  ->excludes(save);
  command->add_flag("--json", options->json, "print the result as JSON");
  command->footer(
      "Examples:\n"
      "  echo 'Once upon a time there was a king.' | rotor ppl -f -\n"
      "  rotor ppl MODEL -f wiki.test.raw --method second-half --save-logits base.logits\n"
      "  rotor ppl OTHER --kld base.logits");
  command->callback([options, file, method, stride, kld, &exit_code] {
    if (file->empty() && kld->empty()) {
      throw CLI::RequiredError("--file");
    }
    if (!stride->empty()) {
      options->method = PerplexityMethod::kStride;
    } else if (!options->save_logits.empty()) {
      if (!method->empty() && options->method != PerplexityMethod::kSecondHalf) {
        throw CLI::ExcludesError("--save-logits", "--method windows");
      }
      options->method = PerplexityMethod::kSecondHalf;
    }
    const Status status = measure(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
