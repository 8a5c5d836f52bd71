// SPDX-License-Identifier: Apache-2.0
// The program: reads the command line and runs one command. Exit codes are in exit_code.h.
#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include <fmt/core.h>

#include "commands.h"
#include "exit_code.h"
#include "output.h"

namespace {

// The first argument when it is to be a command and is none, or null.
const char* unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') {
    return nullptr;
  }
  const auto commands =
      app.get_subcommands([&](const CLI::App* command) { return command->check_name(argv[1]); });
  return commands.empty() ? argv[1] : nullptr;
}

// llama-bench writes -pg where one letter would be a whole option: CLI11 wants two dashes.
void spell_out_pairs(int argc, char** argv) {
  static char spelled[] = "--pg";
  for (int i = 2; i < argc && std::string_view(argv[1]) == "bench"; ++i) {
    if (std::string_view(argv[i]) == "-pg") {
      argv[i] = spelled;
    }
  }
}

int parse_and_run(int argc, char** argv) {
  CLI::App app("rotor: runs, converts and verifies ternary language models", "rotor");
  app.set_version_flag("--version", "rotor " ROTOR_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  rotor run -p \"Once upon a time\"\n"
      "  rotor run MODEL -p \"The capital of France is\" -n 16 --temp 0\n"
      "  rotor inspect\n"
      "  rotor COMMAND --help");
  int exit_code = rotor::cli::kExitOk;
  rotor::cli::add_run_command(app, exit_code);
  rotor::cli::add_chat_command(app, exit_code);
  rotor::cli::add_tokenize_command(app, exit_code);
  rotor::cli::add_detokenize_command(app, exit_code);
  rotor::cli::add_template_command(app, exit_code);
  rotor::cli::add_embed_command(app, exit_code);
  rotor::cli::add_logits_command(app, exit_code);
  rotor::cli::add_inspect_command(app, exit_code);
  rotor::cli::add_convert_command(app, exit_code);
  rotor::cli::add_verify_command(app, exit_code);
  rotor::cli::add_bench_command(app, exit_code);
  rotor::cli::add_ppl_command(app, exit_code);
  rotor::cli::add_eval_command(app, exit_code);
  rotor::cli::add_finetune_command(app, exit_code);
  rotor::cli::add_doctor_command(app, exit_code);
  rotor::cli::add_pull_command(app, exit_code);
  rotor::cli::add_ls_command(app, exit_code);
  rotor::cli::add_rm_command(app, exit_code);
  if (const char* word = unknown_command(app, argc, argv)) {
    fmt::print(stderr, "rotor: no command '{}'; rotor --help lists the commands\n", word);
    return rotor::cli::kExitUsage;
  }
  spell_out_pairs(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    app.exit(error);
    return asked ? rotor::cli::kExitOk : rotor::cli::kExitUsage;
  }
  return exit_code;
}

int run_program(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "rotor: out of memory\n");
    return rotor::cli::kExitOutOfMemory;
  } catch (const std::exception& error) {
    if (std::ferror(stdout) == 0) {  // finish_output() says that output failed
      fmt::print(stderr, "rotor: {}\n", error.what());
    }
    return rotor::cli::kExitRunTime;
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is a failed write, with a message
  rotor::cli::reserve_standard_streams();
  return rotor::cli::finish_output(run_program(argc, argv));
}
