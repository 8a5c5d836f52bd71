// SPDX-License-Identifier: Apache-2.0
#include "repeated_option.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>

namespace rotor::cli {

CLI::Option* add_texts(CLI::App& app, const std::string& names, std::vector<std::string>& out,
                       const std::string& description) {
  const auto read = [&out](const std::vector<std::string>& texts) {
    out = texts;
    return true;
  };
  return app.add_option(names, CLI::callback_t(read), description)
      ->type_name("TEXT")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

std::vector<uint64_t> parse_numbers(const std::string& names, const std::string& text,
                                    uint64_t least, uint64_t most) {
  std::vector<uint64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    uint64_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < least || number > most) {
      const std::string_view rest(at, end);
      throw CLI::ValidationError(
          names,
          fmt::format("expected numbers from {} to {} with commas between them, got \"{}\" in "
                      "\"{}\"",
                      least, most, rest.substr(0, rest.find(',')), text));
    }
    numbers.push_back(number);
    if (next == end) {
      return numbers;
    }
    if (*next != ',') {
      throw CLI::ValidationError(names, fmt::format("expected a comma after {}, got \"{}\"", number,
                                                    std::string_view(next, end)));
    }
    at = next + 1;
  }
}

}  // namespace rotor::cli
