// SPDX-License-Identifier: Apache-2.0
// What the program shows on standard error: a progress bar for long work, only on a terminal.
#pragma once

#include <string>

#include "base/progress.h"

namespace rotor::cli {

bool stderr_is_terminal();

// A callback that draws "loading  [#####     ]  52 %" and wipes it when done; empty (draws nothing)
// when standard error is no terminal or `quiet`.
ProgressCallback progress_bar(bool quiet);

// "1.18 GB", "417 MB", "12 kB": decimal units, three digits.
std::string format_bytes(uint64_t bytes);

// Peak resident memory of this process in bytes (VmHWM).
uint64_t peak_resident_bytes();

// Makes Ctrl-C set the returned flag; a second one ends the process with code 130.
CancelFlag& interrupt_flag();

// The same flag, set by SIGTERM too: for commands that must not leave half a file behind.
CancelFlag& termination_flag();

}  // namespace rotor::cli
