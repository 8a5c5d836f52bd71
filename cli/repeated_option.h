// SPDX-License-Identifier: Apache-2.0
// Options with several values. Each occurrence takes exactly one argument, so an argument that
// follows is never swallowed.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace rotor::cli {

// One text an occurrence, taken as it is.
CLI::Option* add_texts(CLI::App& app, const std::string& names, std::vector<std::string>& out,
                       const std::string& description);

// The numbers of "1,2,3", given to the option `names`. CLI::ValidationError for gaps, numbers
// outside [least, most] and anything else.
std::vector<uint64_t> parse_numbers(const std::string& names, const std::string& text,
                                    uint64_t least, uint64_t most);

// One number or several, as 1,2,3, an occurrence. Replaces what `out` holds.
template <typename T>
CLI::Option* add_numbers(CLI::App& app, const std::string& names, std::vector<T>& out,
                         const std::string& description, uint64_t least, uint64_t most) {
  const auto read = [&out, names, least, most](const std::vector<std::string>& texts) {
    out.clear();
    for (const std::string& text : texts) {
      for (const uint64_t number : parse_numbers(names, text, least, most)) {
        out.push_back(static_cast<T>(number));  // at most `most`
      }
    }
    return true;
  };
  return app.add_option(names, CLI::callback_t(read), description)
      ->type_name("N,N,...")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace rotor::cli
