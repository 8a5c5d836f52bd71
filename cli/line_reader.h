// SPDX-License-Identifier: Apache-2.0
// Lines from a person, with history and editing on a terminal, or from a pipe.
#pragma once

#include <optional>
#include <string>

namespace rotor::cli {

// The next line without its end, or nullopt at the end of the input or when interrupted.
// `prompt` is shown on a terminal only.
std::optional<std::string> read_line(const char* prompt);

}  // namespace rotor::cli
