// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#include "exit_code.h"
#include "text/detokenizer.h"

namespace rotor::cli {

void reserve_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) < 0) {
      // The lowest free number, which is this one; opened for the direction nobody uses.
      ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
}

bool write_output(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() &&
         std::ferror(stdout) == 0;
}

bool stream_output(std::string_view bytes) {
  return write_output(bytes) && std::fflush(stdout) == 0;
}

bool write_json(const boost::json::value& value) {
  Utf8Stream valid;  // what is not ASCII stands inside strings, so the whole line can be mended
  const std::string line = valid.push(boost::json::serialize(value));
  return write_output(line + valid.flush() + "\n");
}

int finish_output(int exit_code) {
  errno = 0;
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (written) {
    return exit_code;
  }
  const std::string reason = errno == 0 ? "" : ": " + std::generic_category().message(errno);
  fmt::print(stderr, "rotor: cannot write to standard output{}\n", reason);
  return kExitRunTime;
}

}  // namespace rotor::cli
