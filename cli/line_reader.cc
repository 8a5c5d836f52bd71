// SPDX-License-Identifier: Apache-2.0
#include "line_reader.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#ifdef ROTOR_HAVE_LIBEDIT
#include <editline/readline.h>
#endif

namespace rotor::cli {
namespace {

std::optional<std::string> plain_line() {
  std::string line;
  if (!std::getline(std::cin, line)) {
    return std::nullopt;
  }
  return line;
}

}  // namespace

std::optional<std::string> read_line(const char* prompt) {
  if (isatty(STDIN_FILENO) != 1) {
    return plain_line();
  }
#ifdef ROTOR_HAVE_LIBEDIT
  rl_outstream = stderr;
  char* line = readline(prompt);
  if (line == nullptr) {
    return std::nullopt;
  }
  std::string text(line);
  std::free(line);
  if (!text.empty()) {
    add_history(text.c_str());
  }
  return text;
#else
  std::cerr << prompt << std::flush;
  return plain_line();
#endif
}

}  // namespace rotor::cli
