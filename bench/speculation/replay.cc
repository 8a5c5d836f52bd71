// SPDX-License-Identifier: Apache-2.0
// Replays recorded token streams through the drafts: the answer is given, so what would be accepted is
// known without a model, and the time is that of passes measured elsewhere.
//
//   speculation_replay COSTS.json < STREAMS.jsonl > RESULTS.jsonl
//
// COSTS.json: rows of `rotor bench -o json`; a pass over `batch` rows takes batch / tokens_per_second.
// A stream: {"prompt": [ids], "answer": [ids]}. Its result: tokens, passes, drafted, accepted, seconds,
// plain_seconds (without drafts), bookkeeping_seconds (measured: what the drafts themselves take).
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>

#include "engine/draft_length.h"
#include "engine/ngram_draft.h"
#include "kernels/kernels.h"

namespace rotor {
namespace {

using Clock = std::chrono::steady_clock;
using Tokens = std::vector<TokenId>;
using Costs = std::array<double, DraftLength::kMostRows + 1>;  // seconds of a pass, by rows

struct Totals {
  size_t passes = 0;
  size_t drafted = 0;
  size_t accepted = 0;
  double seconds = 0;
  double bookkeeping_seconds = 0;
};

// Straight lines between the rows that were measured; beyond them a row costs as much as the last did.
Costs read_costs(const char* path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::map<size_t, double> measured;
  const boost::json::value rows = boost::json::parse(text);
  for (const boost::json::value& row : rows.as_array()) {
    const auto batch = row.at("batch").to_number<size_t>();
    measured[batch] = static_cast<double>(batch) / row.at("tokens_per_second").to_number<double>();
  }
  Costs costs = {};
  for (size_t rows = 1; rows < costs.size(); ++rows) {
    const auto above = measured.lower_bound(rows);
    if (above == measured.end()) {
      const auto& [most, seconds] = *measured.rbegin();
      costs[rows] = seconds * static_cast<double>(rows) / static_cast<double>(most);
    } else if (above->first == rows || above == measured.begin()) {
      costs[rows] = above->second;
    } else {
      const auto below = std::prev(above);
      const double share = static_cast<double>(rows - below->first) /
                           static_cast<double>(above->first - below->first);
      costs[rows] = below->second + share * (above->second - below->second);
    }
  }
  return costs;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// As Speculation::step() for one answer, with the draws given.
Totals replay(const Tokens& prompt, const Tokens& answer, const Costs& costs) {
  Totals totals;
  Tokens history = prompt;
  history.push_back(answer.front());  // the prompt's pass gives the first
  history.reserve(prompt.size() + answer.size());
  NgramDraft draft(prompt.size() + answer.size());
  DraftLength length;
  for (size_t drawn = 1; drawn < answer.size();) {
    const Clock::time_point start = Clock::now();
    draft.propose(history, DraftLength::kMost);
    const size_t in_page = kPagePositions - 1 - (history.size() - 1) % kPagePositions;
    DraftLength::Draft choice{draft.match(), std::min({draft.tokens().size(), in_page,
                                                       answer.size() - drawn - 1})};
    length.choose({&choice, 1}, DraftLength::kMostRows);
    bool as_drafted = true;
    for (size_t j = 0; as_drafted && j <= choice.count && drawn < answer.size(); ++j) {
      history.push_back(answer[drawn]);
      as_drafted = j < choice.most && draft.tokens()[j] == answer[drawn];
      if (j < choice.most) {
        length.checked(choice.match + j, as_drafted);
      }
      totals.accepted += as_drafted && j < choice.count ? 1 : 0;
      ++drawn;
    }
    length.measured(1 + choice.count, costs[1 + choice.count]);
    totals.bookkeeping_seconds += seconds_since(start);
    totals.seconds += costs[1 + choice.count];
    totals.drafted += choice.count;
    ++totals.passes;
  }
  return totals;
}

void replay_lines(const Costs& costs) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const boost::json::value stream = boost::json::parse(line);
    const auto prompt = boost::json::value_to<Tokens>(stream.at("prompt"));
    const auto answer = boost::json::value_to<Tokens>(stream.at("answer"));
    if (answer.empty()) {
      throw std::runtime_error("a stream without an answer");
    }
    const Totals totals = replay(prompt, answer, costs);
    const double plain = static_cast<double>(answer.size() - 1) * costs[1];
    std::cout << boost::json::object{{"tokens", answer.size() - 1},
                                     {"passes", totals.passes},
                                     {"drafted", totals.drafted},
                                     {"accepted", totals.accepted},
                                     {"seconds", totals.seconds},
                                     {"plain_seconds", plain},
                                     {"bookkeeping_seconds", totals.bookkeeping_seconds}}
              << '\n';
  }
}

}  // namespace
}  // namespace rotor

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: speculation_replay COSTS.json < STREAMS.jsonl\n";
    return 2;
  }
  try {
    rotor::replay_lines(rotor::read_costs(argv[1]));
  } catch (const std::exception& error) {
    std::cerr << "speculation_replay: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
