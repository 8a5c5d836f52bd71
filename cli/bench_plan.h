// SPDX-License-Identifier: Apache-2.0
// What rotor bench is asked to measure.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <string>
#include <vector>

#include "model_options.h"
#include "number_ranges.h"

namespace rotor::cli {

// One thing that is timed: `prompt` tokens computed at once, then `generate` tokens one by one, each by
// `batch` sequences that have `depth` tokens in the cache before. One of the first two may be 0.
struct BenchTest {
  size_t batch = 1;
  size_t prompt = 0;
  size_t generate = 0;
  size_t depth = 0;

  size_t positions() const { return depth + prompt + generate; }
  size_t tokens() const { return batch * (prompt + generate); }
};

// As llama-bench calls it: "pp512", "tg128", "pp512+tg128", "tg128 @ d4096".
std::string test_name(const BenchTest& test);

struct BenchOptions {
  ModelOptions model;  // what all have in common; `model`, `threads`, `kv` and `head` are set in turn
  std::vector<std::string> models;
  std::vector<std::string> synthetic;
  std::vector<std::string> heads = {"auto"};
  std::vector<std::string> kv = {"f16"};
  std::vector<size_t> threads;  // empty: what the machine allows
  std::vector<size_t> prompt = {512};
  std::vector<size_t> generate = {128};
  std::vector<NumberPair> pairs;
  std::vector<size_t> depth = {0};
  std::vector<size_t> batch = {1};
  size_t repeats = 5;
  std::string output = "md";
  bool profile = false;
  bool no_warmup = false;
  bool plan = false;
};

// At each depth: the prompts (one sequence), the generations, the pairs; lengths of 0 are left out.
// kInvalidArgument when nothing is left, or more than a day could measure.
Result<std::vector<BenchTest>> plan_tests(const BenchOptions& options);

// Positions that the cache needs for any of them, in whole pages for each sequence.
size_t cache_positions(const std::vector<BenchTest>& tests);

// Rows of a pass: those of a prompt, or a token of each sequence.
size_t pass_rows(const std::vector<BenchTest>& tests);

}  // namespace rotor::cli
