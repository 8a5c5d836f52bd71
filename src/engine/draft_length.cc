// SPDX-License-Identifier: Apache-2.0
#include "engine/draft_length.h"

#include <algorithm>

namespace rotor {
namespace {

// Weight of a new observation. Draft tokens come in runs, so their share follows slowly.
constexpr double kNewToken = 1.0 / 16;
constexpr double kNewTime = 1.0 / 4;
// A row beyond the largest pass that was measured is taken to cost so much: little, so that it is
// tried.
constexpr double kCostOfRow = 0.02;
// A draft must promise that much more than none.
constexpr double kLeastGain = 1.05;

void follow(double& average, double value, double weight) { average += (value - average) * weight; }

}  // namespace

size_t DraftLength::choose(NgramDraft::Match match, size_t most) const {
  if (match == NgramDraft::Match::kNone || seconds_[1] == 0) {
    return 0;
  }
  const double accepted = accepted_[static_cast<size_t>(match)];
  size_t best = 0;
  double best_rate = kLeastGain / cost(1);
  double tokens = 1;  // expected from the pass: 1 + accepted + accepted^2 + ...
  double all_accepted = 1;
  for (size_t drafts = 1; drafts <= std::min(most, kMost); ++drafts) {
    all_accepted *= accepted;
    tokens += all_accepted;
    const double rate = tokens / cost(1 + drafts);
    if (rate > best_rate) {
      best = drafts;
      best_rate = rate;
    }
  }
  return best;
}

void DraftLength::checked(NgramDraft::Match match, bool drawn) {
  follow(accepted_[static_cast<size_t>(match)], drawn ? 1.0 : 0.0, kNewToken);
}

void DraftLength::measured(size_t rows, double seconds) {
  double& average = seconds_[rows];
  if (average == 0) {
    average = seconds;
  } else {
    follow(average, seconds, kNewTime);
  }
}

// Seconds of a pass: measured, between its neighbours that were, or beyond the largest that was.
double DraftLength::cost(size_t rows) const {
  size_t below = rows;
  while (seconds_[below] == 0) {  // seconds_[1] is measured
    --below;
  }
  size_t above = rows;
  while (above < seconds_.size() && seconds_[above] == 0) {
    ++above;
  }
  const double extra = static_cast<double>(rows - below);
  if (above == seconds_.size()) {
    return seconds_[below] * (1 + kCostOfRow * extra);
  }
  const double slope =
      above == below ? 0 : (seconds_[above] - seconds_[below]) / static_cast<double>(above - below);
  return seconds_[below] + slope * extra;
}

}  // namespace rotor
