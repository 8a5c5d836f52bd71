// SPDX-License-Identifier: Apache-2.0
#include "bench_plan.h"

#include <fmt/core.h>

#include <algorithm>

namespace rotor::cli {
namespace {

constexpr size_t kMostTests = 10000;
constexpr size_t kPromptRows = 128;

}  // namespace

std::string test_name(const BenchTest& test) {
  std::string name;
  if (test.prompt > 0) {
    name = fmt::format("pp{}", test.prompt);
  }
  if (test.generate > 0) {
    name += fmt::format("{}tg{}", name.empty() ? "" : "+", test.generate);
  }
  return test.depth == 0 ? name : fmt::format("{} @ d{}", name, test.depth);
}

Result<std::vector<BenchTest>> plan_tests(const BenchOptions& options) {
  const size_t lengths = options.prompt.size() +
                         options.batch.size() * (options.generate.size() + options.pairs.size());
  if (lengths > kMostTests / std::max<size_t>(options.depth.size(), 1)) {
    return invalid_argument(fmt::format("-p, -n, -pg, -b and -d ask for {} tests, at most {} are "
                                        "measured in one run",
                                        lengths * options.depth.size(), kMostTests));
  }
  std::vector<BenchTest> tests;
  for (const size_t depth : options.depth) {
    for (const size_t prompt : options.prompt) {
      tests.push_back({1, prompt, 0, depth});
    }
    for (const size_t generate : options.generate) {
      for (const size_t batch : options.batch) {
        tests.push_back({batch, 0, generate, depth});
      }
    }
    for (const NumberPair& pair : options.pairs) {
      for (const size_t batch : options.batch) {
        tests.push_back({batch, pair.first, pair.second, depth});
      }
    }
  }
  std::erase_if(tests, [](const BenchTest& test) { return test.prompt + test.generate == 0; });
  if (tests.empty()) {
    return invalid_argument("nothing to measure: -p, -n and -pg are all 0");
  }
  return tests;
}

size_t cache_positions(const std::vector<BenchTest>& tests) {
  size_t most = 0;
  for (const BenchTest& test : tests) {
    const size_t pages = (test.positions() + kPagePositions - 1) / kPagePositions;
    most = std::max(most, test.batch * pages * kPagePositions);
  }
  return most;
}

size_t pass_rows(const std::vector<BenchTest>& tests) {
  size_t most = kPromptRows;
  for (const BenchTest& test : tests) {
    most = std::max(most, test.batch);
  }
  return most;
}

}  // namespace rotor::cli
