// SPDX-License-Identifier: Apache-2.0
// rotor chat: a conversation on the terminal. Answers go to standard output, everything else to
// standard error, so a conversation can be piped.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "base/file.h"
#include "commands.h"
#include "conversation.h"
#include "engine/chat_prompt.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "exit_code.h"
#include "line_reader.h"
#include "model_options.h"
#include "output.h"
#include "prompt.h"
#include "sampling_options.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct ChatOptions {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system;
  int64_t max_new_tokens = -1;
};

constexpr const char* kHelp =
    "/help           this list\n"
    "/clear          forget the conversation\n"
    "/system TEXT    set the system message (empty: none) and start anew\n"
    "/regen          another answer to the last message\n"
    "/save FILE      write the conversation as JSON\n"
    "/load FILE      read one back\n"
    "/stats          speed and memory of the last answer\n"
    "/exit           leave (also Ctrl-D)\n"
    "\"\"\"             begins and ends a message of several lines\n"
    "Ctrl-C stops an answer, twice leaves.\n";

class Chat {
 public:
  // `request` says how to sample.
  Chat(const ChatOptions& options, LoadedModel loaded, GenerationRequest request)
      : options_(options),
        loaded_(std::move(loaded)),
        request_(std::move(request)),
        session_(*loaded_.executor,
                 {loaded_.model->config.vocab, loaded_.context, loaded_.model->tokenizer}) {
    conversation_.set_system(options.system);
  }

  int run() {
    if (stderr_is_terminal()) {
      fmt::print(stderr, "{}\n/help lists the commands.\n", loaded_.model->path);
    }
    bool interrupted = false;
    while (true) {
      interrupt_flag().reset();
      const std::optional<std::string> line = read_message();
      if (!line) {
        const bool again = interrupt_flag().cancelled();
        if (!again || interrupted) {
          return again ? kExitInterrupted : kExitOk;
        }
        interrupted = true;
        fmt::print(stderr, "\n(Ctrl-C again or /exit leaves)\n");
        continue;
      }
      interrupted = false;
      if (line->empty()) {
        continue;
      }
      if (line->front() == '/') {
        if (!command(*line)) {
          return kExitOk;
        }
        continue;
      }
      conversation_.add("user", *line);
      answer();
      if (std::ferror(stdout) != 0) {
        return kExitRunTime;
      }
    }
  }

 private:
  // One line, or several between lines of three quotes.
  std::optional<std::string> read_message() {
    constexpr std::string_view kQuotes = "\"\"\"";
    std::optional<std::string> line = read_line("> ");
    if (!line || !line->starts_with(kQuotes)) {
      return line;
    }
    std::string text = line->substr(kQuotes.size());
    while (!text.ends_with(kQuotes)) {
      line = read_line(". ");
      if (!line) {
        return std::nullopt;
      }
      text += (text.empty() ? "" : "\n") + *line;
    }
    return text.substr(0, text.size() - kQuotes.size());
  }

  // False when the chat is to end.
  bool command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string argument = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/exit" || name == "/quit" || name == "/bye") {
      return false;
    }
    if (name == "/clear") {
      conversation_.clear();
    } else if (name == "/system") {
      conversation_.clear();
      conversation_.set_system(argument);
    } else if (name == "/regen") {
      regenerate();
    } else if (name == "/save" || name == "/load") {
      const Status status = name == "/save" ? save(argument) : conversation_.load(argument);
      if (!status.ok()) {
        fail(status);
      }
    } else if (name == "/stats") {
      print_statistics(stats_, loaded_);
    } else {
      fmt::print(stderr, "{}", kHelp);
    }
    return true;
  }

  Status save(const std::string& path) const {
    ROTOR_TRY(check_output(loaded_.model->path, path));
    return conversation_.save(path);
  }

  void regenerate() {
    conversation_.drop_last("assistant");
    if (conversation_.messages().empty() || conversation_.messages().back().role != "user") {
      fmt::print(stderr, "nothing to answer yet\n");
      return;
    }
    ++regenerations_;
    answer();
  }

  void answer() {
    const Status status = try_answer();
    if (!status.ok()) {
      conversation_.drop_last("user");
      fail(status);
    }
  }

  // The conversation as tokens; where that leaves less than a quarter of the context for the answer,
  // without its oldest turns (they are still saved). The last turn stays in any case.
  Result<std::vector<TokenId>> fitting_prompt() {
    const size_t longest = loaded_.context - loaded_.context / 4;
    size_t kept = conversation_.turns();
    ROTOR_ASSIGN(std::vector<TokenId> prompt,
                 encode_messages(*loaded_.model, conversation_.messages()));
    if (prompt.size() > longest && kept > 1) {
      size_t too_many = kept;
      kept = 1;
      while (too_many - kept > 1) {
        const size_t middle = kept + (too_many - kept) / 2;
        ROTOR_ASSIGN(prompt, encode_messages(*loaded_.model, conversation_.newest(middle)));
        (prompt.size() > longest ? too_many : kept) = middle;
      }
      ROTOR_ASSIGN(prompt, encode_messages(*loaded_.model, conversation_.newest(kept)));
    }
    const size_t left_out = conversation_.turns() - kept;
    if (left_out > left_out_ && !options_.model.quiet) {
      fmt::print(stderr, "(the context of {} tokens is full: the model no longer sees the first {} of "
                 "{} turns)\n", loaded_.context, left_out, conversation_.turns());
    }
    left_out_ = left_out;
    return prompt;
  }

  Status try_answer() {
    GenerationRequest request = request_;
    ROTOR_ASSIGN(request.prompt, fitting_prompt());
    if (options_.max_new_tokens >= 0) {
      request.max_new_tokens = static_cast<size_t>(options_.max_new_tokens);
    }
    request.end_of_generation = loaded_.model->end_of_generation;
    request.sampling.seed += regenerations_;
    interrupt_flag().reset();
    ROTOR_ASSIGN(const GenerationResult result,
                 session_.generate(
                     request,
                     [](const GenerationEvent& event) {
                       if (!stream_output(event.text)) {
                         interrupt_flag().cancel();  // nobody reads on
                       }
                     },
                     &interrupt_flag()));
    stream_output("\n");
    stats_ = result.stats;
    conversation_.add("assistant", result.answers.front().text);
    return {};
  }

  const ChatOptions& options_;
  LoadedModel loaded_;
  const GenerationRequest request_;
  Session session_;
  Conversation conversation_;
  GenerationStats stats_;
  size_t left_out_ = 0;         // oldest turns that the last prompt did without
  uint64_t regenerations_ = 0;  // each answer to the same message draws with another seed
};

}  // namespace

void add_chat_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "talk with a model");
  add_model_argument(*command, options->model);
  command->add_option("--system", options->system, "system message");
  command->add_option("-n,--predict", options->max_new_tokens,
                      "most tokens of an answer; -1: until the model ends")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 31))
      ->capture_default_str();
  add_compute_options(*command, options->model);
  add_sampling_options(*command, options->sampling);
  command->footer("Examples:\n  rotor chat\n  rotor chat MODEL --system \"You tell short stories.\"\n" +
                  std::string(kHelp));
  command->callback([options, &exit_code] {
    options->model.purpose = Purpose::kChat;
    options->model.every_logit = !draws_from_few(options->sampling.params);
    Result<LoadedModel> loaded = load(options->model, 1);
    if (!loaded.ok()) {
      exit_code = fail(loaded.status());
      return;
    }
    if (loaded->model->chat_template == nullptr) {
      exit_code = fail(unsupported(loaded->model->path + ": holds no usable chat template; complete "
                                   "text with rotor run"));
      return;
    }
    GenerationRequest request;
    const Status status = apply_sampling(options->sampling, *loaded->model, request);
    exit_code =
        status.ok() ? Chat(*options, *std::move(loaded), std::move(request)).run() : fail(status);
  });
}

}  // namespace rotor::cli
