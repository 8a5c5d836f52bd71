// SPDX-License-Identifier: Apache-2.0
// Prints the tables of a page: `rotor_tables models` or `rotor_tables formats`.
#include <cstdio>
#include <exception>
#include <string>

#include "tables/tables.h"

namespace rotor::tables {

std::string link(const std::string& test, const std::string& text) {
  if (test.empty()) {
    return "no";
  }
  return "[" + text + "](.." + (test[0] == '/' ? test : "/tests/" + test) + ")";
}

}  // namespace rotor::tables

int main(int argc, char** argv) {
  const std::string page = argc == 2 ? argv[1] : "";
  if (page != "models" && page != "formats") {
    std::fputs("expected one argument, models or formats\n", stderr);
    return 2;
  }
  try {
    std::fputs((page == "models" ? rotor::tables::models() : rotor::tables::formats()).c_str(), stdout);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
