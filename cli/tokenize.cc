// SPDX-License-Identifier: Apache-2.0
// rotor tokenize and rotor detokenize: text on standard input to token ids, and back.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/json.h"
#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "output.h"
#include "tokenizer_option.h"

namespace rotor::cli {
namespace {

struct TokenizeOptions {
  ModelOptions model;
  bool no_bos = false;
  bool special = false;
  bool json = false;
  bool jsonl = false;
};

std::string read_stdin() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

EncodeOptions encode_options(const TokenizeOptions& options) {
  EncodeOptions encode;
  if (options.no_bos) {
    encode.add_bos = false;
  }
  encode.parse_special = options.special;
  return encode;
}

// One JSON string a line in, one JSON array a line out.
Status tokenize_lines(const Tokenizer& tokenizer, const EncodeOptions& encode) {
  std::string line;
  for (size_t number = 1; std::getline(std::cin, line); ++number) {
    const std::string name = fmt::format("standard input, line {}", number);
    ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(line, name));
    std::string_view text;
    if (document.root().get_string().get(text) != simdjson::SUCCESS) {
      return invalid_argument(name + ": expected a JSON string");
    }
    ROTOR_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(text, encode));
    fmt::print("[{}]\n", fmt::join(ids, ","));
  }
  return {};
}

Status tokenize(const TokenizeOptions& options) {
  ROTOR_ASSIGN(const Tokenizer tokenizer, open_tokenizer(options.model));
  const EncodeOptions encode = encode_options(options);
  if (options.jsonl) {
    return tokenize_lines(tokenizer, encode);
  }
  ROTOR_ASSIGN(const std::vector<TokenId> ids, tokenizer.encode(read_stdin(), encode));
  if (options.json) {
    fmt::print("[{}]\n", fmt::join(ids, ","));
  } else {
    fmt::print("{}\n", fmt::join(ids, " "));
  }
  return {};
}

// Ids separated by anything that is no digit: "1 2 3" and "[1,2,3]" alike.
Result<std::vector<TokenId>> parse_ids(std::string_view text) {
  std::vector<TokenId> ids;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    if (*at < '0' || *at > '9') {
      const bool separator = std::string_view(" \t\r\n,[]").find(*at) != std::string_view::npos;
      if (!separator) {
        return invalid_argument(fmt::format("expected token ids, got '{}' at byte {}", *at,
                                            at - text.data()));
      }
      ++at;
      continue;
    }
    TokenId id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc()) {
      return invalid_argument(fmt::format("token id at byte {} is too large", at - text.data()));
    }
    ids.push_back(id);
    at = next;
  }
  return ids;
}

Status print_text(const Tokenizer& tokenizer, std::string_view ids_text, bool json) {
  ROTOR_ASSIGN(const std::vector<TokenId> ids, parse_ids(ids_text));
  ROTOR_ASSIGN(const std::string text, tokenizer.decode(ids));
  if (json) {
    write_json(boost::json::string(text));
  } else {
    write_output(text);
  }
  return {};
}

Status detokenize(const TokenizeOptions& options) {
  ROTOR_ASSIGN(const Tokenizer tokenizer, open_tokenizer(options.model));
  if (!options.jsonl) {
    return print_text(tokenizer, read_stdin(), options.json);
  }
  std::string line;
  while (std::ferror(stdout) == 0 && std::getline(std::cin, line)) {
    ROTOR_TRY(print_text(tokenizer, line, true));
  }
  return {};
}

}  // namespace

void add_tokenize_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("tokenize", "standard input to token ids");
  add_model_argument(*command, options->model);
  command->add_flag("--no-bos", options->no_bos, "do not add the begin-of-text token");
  command->add_flag("--special", options->special,
                    "recognise special tokens in the text; otherwise text is text");
  command->add_flag("--json", options->json, "print a JSON array");
  command->add_flag("--jsonl", options->jsonl,
                    "one JSON string a line in, one JSON array a line out");
  command->footer(
      "Example:\n"
      "  echo -n 'Hello, world' | rotor tokenize\n"
      "MODEL may be a tokenizer alone: tokenizer.json, tokenizer.model (tiktoken or "
      "SentencePiece) or a GGUF file that holds only a vocabulary.");
  command->callback([options, &exit_code] {
    const Status status = tokenize(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

void add_detokenize_command(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TokenizeOptions>();
  CLI::App* command = app.add_subcommand("detokenize", "token ids on standard input to text");
  add_model_argument(*command, options->model);
  command->add_flag("--json", options->json, "print a JSON string");
  command->add_flag("--jsonl", options->jsonl, "one JSON array a line in, one JSON string a line out");
  command->footer("Example:\n  echo -n 'Hello, world' | rotor tokenize | rotor detokenize");
  command->callback([options, &exit_code] {
    const Status status = detokenize(*options);
    exit_code = status.ok() ? kExitOk : fail(status);
  });
}

}  // namespace rotor::cli
