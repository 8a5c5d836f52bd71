// SPDX-License-Identifier: Apache-2.0
// rotor run: completes a prompt.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <memory>

#include "commands.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "exit_code.h"
#include "model_options.h"
#include "output.h"
#include "prompt.h"
#include "sampling_options.h"
#include "terminal.h"
#include "text_input.h"

namespace rotor::cli {
namespace {

struct RunOptions {
  ModelOptions model;
  SamplingOptions sampling;
  std::string prompt;
  std::string file;
  std::string system;
  int64_t max_new_tokens = 256;
  size_t answers = 1;
  size_t beams = 1;
  float length_penalty = 1.0f;
  bool chat = false;
  bool ignore_eos = false;
  bool special = false;
  bool json = false;
  const CLI::App* command = nullptr;
};

constexpr uint64_t kMaxPromptBytes = uint64_t{64} << 20;

// The prompt text: -p, a file, or standard input ("-p -", or a pipe).
Result<std::string> read_prompt(const RunOptions& options) {
  if (!options.file.empty()) {
    return read_text_input(options.file, kMaxPromptBytes);
  }
  if (options.command->count("-p") > 0 && options.prompt != "-") {
    return options.prompt;
  }
  if (options.prompt != "-" && isatty(STDIN_FILENO) == 1) {
    return invalid_argument("no prompt: give -p TEXT, -f FILE, or pipe text in; for a conversation: "
                            "rotor chat");
  }
  return read_text_input("-", kMaxPromptBytes);
}

Result<GenerationRequest> make_request(const RunOptions& options, const LoadedModel& loaded,
                                       const std::string& prompt) {
  const Model& model = *loaded.model;
  if (model.tokenizer == nullptr) {
    return format_error(model.path + ": holds no tokenizer; rotor run needs one");
  }
  GenerationRequest request;
  if (options.chat) {
    ROTOR_ASSIGN(request.prompt, encode_chat(model, options.system, prompt));
  } else {
    EncodeOptions encode;
    encode.parse_special = options.special;
    ROTOR_ASSIGN(request.prompt, model.tokenizer->encode(prompt, encode));
  }
  if (request.prompt.empty()) {
    return invalid_argument("the prompt is empty and this model has no begin-of-text token");
  }
  if (options.max_new_tokens >= 0) {
    request.max_new_tokens = static_cast<size_t>(options.max_new_tokens);
  }
  request.answers = options.answers;
  request.beam_width = options.beams;
  request.length_penalty = options.length_penalty;
  if (!options.ignore_eos) {
    request.end_of_generation = model.end_of_generation;
  }
  ROTOR_TRY(apply_sampling(options.sampling, model, request));
  return request;
}

void print_json(const GenerationResult& result, const LoadedModel& loaded,
                const GenerationRequest& request) {
  boost::json::array answers;
  for (const GeneratedAnswer& answer : result.answers) {
    answers.push_back({{"text", answer.text},
                       {"tokens", boost::json::value_from(answer.tokens)},
                       {"finish_reason", finish_reason_name(answer.finish_reason)}});
  }
  const GenerationStats& stats = result.stats;
  const boost::json::object out = {{"model", loaded.model->path},
                                   {"seed", request.sampling.seed},
                                   {"prompt_tokens", stats.prompt_tokens},
                                   {"generated_tokens", stats.generated_tokens},
                                   {"drafted_tokens", stats.drafted_tokens},
                                   {"accepted_tokens", stats.accepted_tokens},
                                   {"prompt_tokens_per_second", stats.prompt_rate()},
                                   {"tokens_per_second", stats.generation_rate()},
                                   {"load_seconds", loaded.load_seconds},
                                   {"peak_rss_bytes", peak_resident_bytes()},
                                   {"answers", std::move(answers)}};
  write_json(out);
}

void print_answers(const GenerationResult& result) {
  for (size_t i = 0; i < result.answers.size(); ++i) {
    fmt::print("--- answer {} ---\n{}\n", i + 1, result.answers[i].text);
  }
}

Result<GenerationResult> generate(const RunOptions& options, const LoadedModel& loaded,
                                  const GenerationRequest& request) {
  Session session(*loaded.executor,
                  {loaded.model->config.vocab, loaded.context, loaded.model->tokenizer});
  const bool streams = !options.json && options.answers == 1;
  return session.generate(
      request,
      [&](const GenerationEvent& event) {
        if (streams && !event.text.empty() && !stream_output(event.text)) {
          interrupt_flag().cancel();  // nobody reads on
        }
      },
      &interrupt_flag());
}

Result<int> run(const RunOptions& options) {
  ROTOR_ASSIGN(const std::string prompt, read_prompt(options));
  const size_t sequences = options.beams > 1 ? 2 * options.beams : options.answers;
  ModelOptions model_options = options.model;
  model_options.purpose = options.chat ? Purpose::kChat : Purpose::kText;
  model_options.every_logit = options.beams > 1 || !draws_from_few(options.sampling.params);
  ROTOR_ASSIGN(const LoadedModel loaded, load(model_options, sequences));
  ROTOR_ASSIGN(const GenerationRequest request, make_request(options, loaded, prompt));
  // A person at a terminal sees the text begin where it begins; a pipe gets only what is new.
  if (!options.json && !options.chat && options.answers == 1 && isatty(STDOUT_FILENO) == 1 &&
      stderr_is_terminal()) {
    fmt::print(stderr, "\x1b[2m{}\x1b[0m", prompt);
  }
  ROTOR_ASSIGN(const GenerationResult result, generate(options, loaded, request));
  if (options.json) {
    print_json(result, loaded, request);
  } else if (options.answers > 1) {
    print_answers(result);
  } else {
    fmt::print("\n");
  }
  if (!options.model.quiet) {
    print_statistics(result.stats, loaded);
  }
  const bool cancelled = result.answers.front().finish_reason == FinishReason::kCancelled;
  return cancelled ? kExitInterrupted : kExitOk;
}

}  // namespace

void add_run_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "complete a prompt");
  options->command = command;
  add_model_argument(*command, options->model);
  CLI::Option* prompt =
      command->add_option("-p,--prompt", options->prompt, "text to complete; -: standard input");
  command
      ->add_option("-f,--file", options->file, "file with the text to complete; -: standard input")
      ->excludes(prompt);
  command->add_option("-n,--predict", options->max_new_tokens,
                      "most tokens to write; -1: until the model ends or the context is full")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 31))
      ->capture_default_str();
  CLI::Option* chat =
      command->add_flag("--chat", options->chat, "put the prompt into the model's chat template");
  command->add_option("--system", options->system, "system message")->needs(chat);
  command->add_option("--answers", options->answers, "different answers to the same prompt")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--beams", options->beams, "beam search with so many beams; 1: sampling")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--length-penalty", options->length_penalty,
                      "beam search: above 1 favours long answers")
      ->capture_default_str();
  command->add_flag("--ignore-eos", options->ignore_eos, "go on after an end token");
  command->add_flag("--special", options->special, "recognise special tokens in the prompt");
  command->add_flag("--json", options->json, "print answers and statistics as JSON");
  add_compute_options(*command, options->model);
  add_sampling_options(*command, options->sampling);
  command->footer(
      "Examples:\n"
      "  rotor run -p \"Once upon a time\"\n"
      "  rotor run -p \"Once upon a time\" --temp 0 -n 32 --json\n"
      "  echo \"The old king\" | rotor run -n 64 --seed 7");
  command->callback([options, &exit_code] {
    const Result<int> result = run(*options);
    exit_code = result.ok() ? *result : fail(result.status());
  });
}

}  // namespace rotor::cli
