// SPDX-License-Identifier: Apache-2.0
// rotor finetune: hands the command line to Python's rotor.finetune, which works with PyTorch.
#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "commands.h"
#include "exit_code.h"

namespace rotor::cli {
namespace {

namespace fs = std::filesystem;

// What --help says where the package is missing; else the package says more.
constexpr char kHelp[] =
    R"(usage: rotor finetune MODEL --data FILE --out DIR [--lora | --full] [options]

Adapts a ternary language model to texts or conversations: low-rank adapters on frozen trits
(--lora, the default) or all weights (--full).

Examples:
  rotor finetune stories --data POEMS.txt --out tuned
  rotor finetune stories --full --data POEMS.txt --out tuned --resume

The work is done by the Python package, which lists all options once it is installed:
pip install 'rotor-llm[finetune]', or in a clone of Rotor pip install '.[finetune]'.)";

// What Python runs; its first argument is kHelp. The first entry of its path would be the current
// folder, whose files are not to be taken for modules. It says itself what is missing: asking first
// would start Python twice.
constexpr char kProgram[] = R"(
import sys
sys.path[:] = [entry for entry in sys.path if entry]
arguments = sys.argv[2:]
try:
    from rotor.finetune.__main__ import main
except ImportError as error:
    if {"-h", "--help"} & {*arguments}:
        print(sys.argv[1])
        sys.exit(0)
    sys.exit(f"""rotor: fine-tuning is done by the Python package, which is missing: {error}
install it:  {sys.executable} -m pip install 'rotor-llm[finetune]'
or, in a clone of Rotor:  {sys.executable} -m pip install '.[finetune]'
or set ROTOR_PYTHON to a Python that has it""")
sys.exit(main(arguments))
)";

// $ROTOR_PYTHON, else the Python that the program was installed with, else the one of the PATH.
std::string find_python(const fs::path& program) {
  if (const char* named = std::getenv("ROTOR_PYTHON"); named != nullptr && *named != '\0') {
    return named;
  }
  std::error_code failed;
  const fs::path beside = program.parent_path() / "python3";
  return fs::exists(beside, failed) ? beside.string() : "python3";
}

// Becomes Python; returns only when that fails.
int finetune(const std::vector<std::string>& arguments) {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  if (!failed) {
    setenv("ROTOR_PROGRAM", program.c_str(), 1);  // which reads and writes containers for it
  }
  const std::string python = find_python(program);
  std::vector<std::string> words = {python, "-c", kProgram, kHelp};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  execvp(python.c_str(), argv.data());
  const int reason = errno;
  fmt::print(stderr,
             "rotor: cannot start {}: {}; fine-tuning needs Python with the package: pip install "
             "'rotor-llm[finetune]'\n",
             python, std::generic_category().message(reason));
  return kExitRunTime;
}

}  // namespace

void add_finetune_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("finetune", "adapt a model to texts or conversations (needs Python)");
  command->prefix_command();  // everything that follows is Python's
  command->set_help_flag();   // --help, too
  command->callback([command, &exit_code] { exit_code = finetune(command->remaining()); });
}

}  // namespace rotor::cli
