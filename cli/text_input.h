// SPDX-License-Identifier: Apache-2.0
// Text that a command works on: a file, a pipe or standard input.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <string>

namespace rotor::cli {

// All of the file or pipe `path`, or of standard input when it is "-"; at most `limit` bytes.
// kIoError when it cannot be read or is longer: no model is at fault.
Result<std::string> read_text_input(const std::string& path, uint64_t limit);

}  // namespace rotor::cli
