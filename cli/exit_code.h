// SPDX-License-Identifier: Apache-2.0
// The exit codes of the command contract. They are stable: scripts rely on them.
#pragma once

#include <rotor/status.h>

namespace rotor::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitRunTime = 1,
  kExitUsage = 2,
  kExitModel = 3,          // a model or format that cannot be used
  kExitOutOfMemory = 4,
  kExitNetwork = 5,
  kExitVerification = 6,
  kExitInterrupted = 130,
};

// The code a failed operation ends the program with.
int exit_code_of(const Status& status);

// Prints "rotor: <message>" to standard error and returns exit_code_of(status).
int fail(const Status& status);

}  // namespace rotor::cli
