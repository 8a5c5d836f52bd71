// SPDX-License-Identifier: Apache-2.0
// rotor eval: how often a model holds the right one of several answers the likeliest.
#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "choice_file.h"
#include "commands.h"
#include "engine/multiple_choice.h"
#include "exit_code.h"
#include "model_options.h"
#include "output.h"
#include "terminal.h"
#include "text_input.h"

namespace rotor::cli {
namespace {

struct EvalOptions {
  ModelOptions model;
  std::string file;
  std::string details;
  std::string delimiter = " ";
  size_t limit = 0;
  size_t batch = 128;
  bool no_bos = false;
  bool mutual_info = false;
  bool json = false;
};

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

// The log-likelihoods of a question's choices.
struct ScoredQuestion {
  std::vector<double> given_context;
  std::vector<double> alone;  // without the question; --mutual-info
  boost::json::array greedy;          // whether the model itself would write the choice
};

struct Totals {
  size_t questions = 0;
  size_t cut = 0;     // choices whose context did not fit
  size_t plain = 0;   // right ones by each rule
  size_t per_character = 0;
  size_t per_byte = 0;
  size_t mutual_info = 0;
};

// What is computed: the items of all questions, and whose choices they are.
struct Work {
  std::vector<Continuations> items;
  struct Owner {
    size_t question;
    bool alone;
  };
  std::vector<Owner> owners;  // of each item; the items of a question follow each other
  size_t cut = 0;
};

Result<Work> encode_questions(const EvalOptions& options, const Tokenizer& tokenizer,
                              const std::vector<ChoiceQuestion>& questions, size_t positions) {
  const ChoiceEncoding encoding = {options.delimiter, !options.no_bos, positions};
  Work work;
  for (size_t i = 0; i < questions.size(); ++i) {
    const auto add = [&](const ChoiceQuestion& question, const ChoiceEncoding& how,
                         bool alone) -> Status {
      Result<EncodedQuestion> encoded = encode_question(tokenizer, question, how);
      if (!encoded.ok()) {
        return Status(encoded.status())
            .with_context(fmt::format("{}, question {}", options.file, i + 1));
      }
      work.cut += encoded->cut;
      for (Continuations& item : encoded->items) {
        work.items.push_back(std::move(item));
        work.owners.push_back({i, alone});
      }
      return {};
    };
    ROTOR_TRY(add(questions[i], encoding, false));
    if (options.mutual_info) {
      ChoiceEncoding bare = encoding;
      bare.delimiter.clear();
      ROTOR_TRY(add({"", questions[i].choices, questions[i].gold}, bare, true));
    }
  }
  return work;
}

// Adds a question to the totals; its line of --details.
std::string count(const ChoiceQuestion& question, const ScoredQuestion& scored, size_t number,
                  bool mutual_info, Totals& totals) {
  const ChosenAnswers chosen = choose(question, scored.given_context);
  totals.plain += chosen.plain == question.gold;
  totals.per_character += chosen.per_character == question.gold;
  totals.per_byte += chosen.per_byte == question.gold;
  ++totals.questions;
  boost::json::object line = {{"question", number},
                              {"gold", question.gold},
                              {"log_likelihoods", boost::json::value_from(scored.given_context)},
                              {"greedy", scored.greedy},
                              {"acc", chosen.plain},
                              {"acc_norm", chosen.per_character},
                              {"acc_bytes", chosen.per_byte}};
  if (mutual_info) {
    std::vector<double> gained;
    for (size_t i = 0; i < scored.alone.size(); ++i) {
      gained.push_back(scored.given_context[i] - scored.alone[i]);
    }
    const size_t likeliest = choose(question, gained).plain;
    totals.mutual_info += likeliest == question.gold;
    line["log_likelihoods_alone"] = boost::json::value_from(scored.alone);
    line["acc_mutual_info"] = likeliest;
  }
  return boost::json::serialize(line) + "\n";
}

void print_result(const EvalOptions& options, const std::string& model, const Totals& totals) {
  std::vector<std::pair<const char*, size_t>> rules = {{"acc", totals.plain},
                                                       {"acc_norm", totals.per_character},
                                                       {"acc_bytes", totals.per_byte}};
  if (options.mutual_info) {
    rules.emplace_back("acc_mutual_info", totals.mutual_info);
  }
  boost::json::object out = {
      {"model", model}, {"file", options.file}, {"questions", totals.questions}, {"cut", totals.cut}};
  for (const auto& [name, right] : rules) {
    const Accuracy share = accuracy(right, totals.questions);
    if (options.json) {
      out[name] = {{"value", share.value}, {"error", share.error}};
    } else {
      fmt::print("{:<16} {:.4f} +- {:.4f}\n", name, share.value, share.error);
    }
  }
  if (options.json) {
    write_json(out);
  } else {
    fmt::print("{} questions\n", totals.questions);
  }
}

Status evaluate(EvalOptions options) {
  ROTOR_ASSIGN(const std::string text, read_text_input(options.file, kMaxFileBytes));
  ROTOR_ASSIGN(const std::vector<ChoiceQuestion> questions,
               parse_questions(text, options.file, options.limit));
  ROTOR_ASSIGN(const std::string path, resolve_model(options.model.model));
  if (!options.details.empty()) {
    ROTOR_TRY(check_output(path, options.details));
    ROTOR_TRY(check_output(options.file, options.details));
  }
  options.model.every_logit = true;
  ROTOR_ASSIGN(const LoadedModel loaded, load(options.model, 2, options.batch));
  const Model& model = *loaded.model;
  if (model.tokenizer == nullptr) {
    return format_error(model.path + ": holds no tokenizer; rotor eval needs one");
  }
  ROTOR_ASSIGN(const Work work,
               encode_questions(options, *model.tokenizer, questions, loaded.context));
  if (work.cut > 0 && !options.model.quiet) {
    fmt::print(stderr, "rotor: {} choices do not fit the context of {} positions with their whole "
               "question: its beginning is cut off\n", work.cut, loaded.context);
  }
  std::optional<AtomicFile> details;
  if (!options.details.empty()) {
    ROTOR_ASSIGN(details, AtomicFile::create(options.details));
  }
  Totals totals;
  totals.cut = work.cut;
  ScoredQuestion scored;
  const auto done = [&](size_t item, std::span<const Likelihood> likelihoods) -> Status {
    const auto [number, alone] = work.owners[item];
    for (const Likelihood& likelihood : likelihoods) {
      (alone ? scored.alone : scored.given_context).push_back(likelihood.log_likelihood);
      if (!alone) {
        scored.greedy.emplace_back(likelihood.greedy);
      }
    }
    if (item + 1 == work.items.size() || work.owners[item + 1].question != number) {
      const std::string line =
          count(questions[number], scored, number + 1, options.mutual_info, totals);
      scored = {};
      if (details) {
        return details->write(std::as_bytes(std::span(line)));
      }
    }
    return {};
  };
  const ProgressCallback bar = progress_bar(options.model.quiet);
  const ProgressCallback progress = [&](std::string_view, uint64_t at, uint64_t of) {
    const double share = accuracy(totals.plain, std::max<size_t>(1, totals.questions)).value;
    bar(fmt::format("scoring, acc {:.4f}", share), at, of);
  };
  ROTOR_TRY(score_continuations(*loaded.executor, model.config.vocab, work.items, done,
                                bar ? progress : ProgressCallback(), &termination_flag()));
  if (details) {
    ROTOR_TRY(details->commit());
  }
  print_result(options, model.path, totals);
  return {};
}

}  // namespace

void add_eval_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "how often the right one of several answers is the likeliest");
  command->add_option("FILE", options->file, "questions, one JSON object a line; -: standard input")
      ->required();
  add_model_argument(*command, options->model);
  add_compute_options(*command, options->model);
  command->add_option("-b,--batch-size", options->batch, "tokens computed at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--limit", options->limit, "the first so many questions; 0: all");
  command->add_option("--delimiter", options->delimiter, "stands between question and choice")
      ->default_str("one space");
  command->add_flag("--no-bos", options->no_bos, "no begin-of-text token before the question");
  command->add_flag("--mutual-info", options->mutual_info,
                    "also by how much the question makes a choice likelier (twice the work)");
  command->add_option("--details", options->details,
                      "file to write: the log-likelihoods of each question, one JSON object a line");
  command->add_flag("--json", options->json, "print the result as JSON");
  command->footer(
      "Example:\n"
      "  echo '{\"query\": \"The king lived in a\", \"choices\": [\"castle.\", \"spoon.\"], "
      "\"gold\": 0}' | rotor eval -\n"
      "As lm-evaluation-harness scores multiple_choice. acc: largest log-likelihood of the choice;\n"
      "acc_norm: divided by its characters; acc_bytes: by its bytes. docs/quality.md.");
  command->callback([options, &exit_code] {
    const Status status = evaluate(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
