// SPDX-License-Identifier: Apache-2.0
// Lists of numbers as llama-bench takes them: "1,2", "1-8", "1-8+2" (1 3 5 7), "1-8*2" (1 2 4 8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}

namespace rotor::cli {

// A list with more numbers is refused before it is written out.
inline constexpr size_t kMostNumbers = 1000;

// The numbers of `text`, given to the option `names`. CLI::ValidationError for gaps, numbers outside
// [least, most], ranges that run backwards or never end, lists that are too long.
std::vector<size_t> parse_ranges(const std::string& names, const std::string& text, size_t least,
                                 size_t most);

// One such list an occurrence, added up. The first occurrence replaces what `out` holds.
CLI::Option* add_ranges(CLI::App& app, const std::string& names, std::vector<size_t>& out,
                        const std::string& description, size_t least, size_t most);

// "P,N": exactly two numbers, an occurrence.
struct NumberPair {
  size_t first = 0;
  size_t second = 0;
};
CLI::Option* add_pairs(CLI::App& app, const std::string& names, std::vector<NumberPair>& out,
                       const std::string& description, size_t least, size_t most);

// One or several of `known` with commas between them, an occurrence.
CLI::Option* add_names(CLI::App& app, const std::string& names, std::vector<std::string>& out,
                       const std::string& description, const std::vector<std::string>& known);

}  // namespace rotor::cli
