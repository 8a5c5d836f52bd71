// SPDX-License-Identifier: Apache-2.0
// rotor embed: a vector for each text, from an embedding model.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "commands.h"
#include "engine/embedding.h"
#include "exit_code.h"
#include "model_options.h"
#include "npy.h"
#include "output.h"
#include "terminal.h"

namespace rotor::cli {
namespace {

struct EmbedOptions {
  ModelOptions model;
  std::vector<std::string> texts;
  bool jsonl = false;
  bool json = false;
  bool as_computed = false;
  std::string out;
  size_t batch = 128;
};

// The texts given, else the lines of standard input: as they are, or a JSON string each.
Status read_texts(EmbedOptions& options) {
  std::string line;
  for (size_t number = 1; options.texts.empty() || number > 1; ++number) {
    if (!std::getline(std::cin, line)) {
      break;
    }
    if (!options.jsonl) {
      options.texts.push_back(line);
      continue;
    }
    const std::string name = fmt::format("standard input, line {}", number);
    ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(line, name));
    std::string_view text;
    if (document.root().get_string().get(text) != simdjson::SUCCESS) {
      return invalid_argument(name + ": expected a JSON string");
    }
    options.texts.emplace_back(text);
  }
  return options.texts.empty() ? invalid_argument("no text to embed") : Status();
}

Result<std::vector<float>> embed_text(const LoadedModel& loaded, const std::string& text,
                                      const EmbedOptions& options) {
  ROTOR_ASSIGN(const std::vector<TokenId> tokens, loaded.model->tokenizer->encode(text));
  ROTOR_ASSIGN(std::vector<float> vector, embed_tokens(*loaded.executor, tokens, loaded.context,
                                                       options.batch, &interrupt_flag()));
  if (!options.as_computed) {
    normalize(vector);
  }
  return vector;
}

Status embed(EmbedOptions options) {
  ROTOR_TRY(read_texts(options));
  ROTOR_ASSIGN(const LoadedModel loaded, load(options.model, 1, options.batch));
  const Model& model = *loaded.model;
  ROTOR_TRY(check_pooling(model));
  if (model.config.pooling == Pooling::kUnstated && !options.model.quiet) {
    fmt::print(stderr, "warning: the model states no pooling; its last token's vector is taken\n");
  }
  if (model.tokenizer == nullptr) {
    return unsupported(model.path + ": has no tokenizer");
  }
  NpyWriter writer;
  if (!options.out.empty()) {
    ROTOR_TRY(check_output(model.path, options.out));
    ROTOR_ASSIGN(writer, NpyWriter::create(options.out, "<f4",
                                           {options.texts.size(), model.config.hidden}));
  }
  boost::json::array all;
  for (const std::string& text : options.texts) {
    ROTOR_ASSIGN(const std::vector<float> vector, embed_text(loaded, text, options));
    if (!options.out.empty()) {
      ROTOR_TRY(writer.write(std::as_bytes(std::span(vector))));
    } else if (options.json) {
      all.push_back(boost::json::value_from(vector));
    } else {
      fmt::print("{:.9g}\n", fmt::join(vector, " "));
    }
  }
  if (!options.out.empty()) {
    return writer.commit();
  }
  if (options.json) {
    write_json(all);
  }
  return {};
}

}  // namespace

void add_embed_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<EmbedOptions>();
  CLI::App* command = app.add_subcommand("embed", "make a vector of each text");
  add_model_argument(*command, options->model);
  add_compute_options(*command, options->model);
  command->add_option("-p,--prompt", options->texts,
                      "a text, may be given several times; without it each line of standard input "
                      "is one")
      ->allow_extra_args(false);
  command->add_flag("--jsonl", options->jsonl, "a line of standard input is a JSON string");
  command->add_flag("--json", options->json, "print one JSON array of arrays");
  command->add_option("--out", options->out,
                      "write float32 (texts, hidden size) as .npy in place of printing");
  command->add_flag("--no-normalize", options->as_computed,
                    "keep the vectors' lengths; by default they are 1");
  command->add_option("-b,--batch-size", options->batch, "tokens computed at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->footer("Example:\n  rotor embed MODEL -p \"a text\" -p \"another\" --out vectors.npy");
  command->callback([options, &exit_code] {
    const Status status = embed(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
