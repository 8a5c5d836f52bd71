// SPDX-License-Identifier: Apache-2.0
#include "engine/draft_length.h"

#include <algorithm>

namespace rotor {
namespace {

// Weight of a new observation. Draft tokens come in runs, so their share follows slowly.
constexpr double kNewToken = 1.0 / 16;
constexpr double kNewTime = 1.0 / 8;
// A row beyond the largest pass that was measured is taken to cost so much of that pass, or half of
// what a row cost so far: little, so that it is tried. Passes grow to twice the largest at most, so
// that a bad surprise is a small one.
constexpr double kCostOfRow = 0.02;
// A draft must promise that much more than none.
constexpr double kLeastGain = 1.05;
void follow(double& average, double value, double weight) { average += (value - average) * weight; }

}  // namespace

// The likeliest draft token of all answers is taken, then the next. A token is drawn only if those
// before it are, so none is likelier than the one before it, and each number of rows gets its best.
void DraftLength::choose(std::span<Draft> drafts, size_t most_rows) {
  const size_t plain = drafts.size();
  size_t at_hand = 0;
  for (Draft& draft : drafts) {
    draft.count = 0;
    at_hand += draft.most;
  }
  if (at_hand == 0 || plain >= kMostRows || seconds_[plain] == 0) {
    return;
  }
  std::array<double, kMostRows> chance;  // that the next token of a draft is drawn
  for (size_t i = 0; i < plain; ++i) {
    chance[i] = accepted(drafts[i].match);
  }
  size_t largest = kMostRows;
  while (seconds_[largest] == 0) {
    --largest;
  }
  const size_t rows = std::min({most_rows, kMostRows, 2 * largest, plain + at_hand});
  std::array<size_t, kMostRows> taken;  // drafts, in the order in which a token more of them was
  size_t best = plain;
  double tokens = static_cast<double>(plain);  // expected from the pass
  double best_rate = kLeastGain * tokens / cost(plain);
  for (size_t row = plain; row < rows; ++row) {
    size_t likeliest = plain;
    for (size_t i = 0; i < plain; ++i) {
      if (drafts[i].count < drafts[i].most &&
          (likeliest == plain || chance[i] > chance[likeliest])) {
        likeliest = i;
      }
    }
    Draft& draft = drafts[likeliest];
    taken[row] = likeliest;
    tokens += chance[likeliest];
    ++draft.count;
    chance[likeliest] *= accepted(draft.match + draft.count);
    if (tokens / cost(row + 1) > best_rate) {
      best = row + 1;
      best_rate = tokens / cost(row + 1);
    }
  }
  for (size_t row = best; row < rows; ++row) {
    --drafts[taken[row]].count;
  }
  // It may have been something else that took the time. Costs are measured anew soon after drafts have
  // paid, then ever later: where a second row costs as much as the first, trying costs one pass.
  if (best > plain && seconds_[best] != 0) {
    patience_ = kFirstPatience;
  } else if (best == plain && ++declined_ >= patience_) {
    declined_ = 0;
    patience_ = std::min(2 * patience_, kMostPatience);
    std::fill(seconds_.begin() + static_cast<ptrdiff_t>(plain) + 1, seconds_.end(), 0.0);
  }
}

void DraftLength::checked(size_t match, bool drawn) {
  follow(accepted_[kind(match)], drawn ? 1.0 : 0.0, kNewToken);
}

void DraftLength::measured(size_t rows, double seconds) {
  if (rows > kMostRows) {
    return;
  }
  double& average = seconds_[rows];
  if (average == 0) {
    average = seconds;
  } else {
    follow(average, seconds, kNewTime);
  }
  for (size_t fewer = 1; fewer < rows; ++fewer) {  // these take no longer
    seconds_[fewer] = std::min(seconds_[fewer], average);
  }
}

size_t DraftLength::kind(size_t match) {
  return static_cast<size_t>(std::bit_width(std::min(match, NgramDraft::kLongest)));
}

// Seconds of a pass: measured, between its neighbours that were, or beyond the largest that was.
double DraftLength::cost(size_t rows) const {
  size_t below = rows;
  while (seconds_[below] == 0) {  // fewer rows were measured: those of the pass without drafts
    --below;
  }
  size_t above = rows;
  while (above < seconds_.size() && seconds_[above] == 0) {
    ++above;
  }
  const double extra = static_cast<double>(rows - below);
  if (above == seconds_.size()) {
    return seconds_[below] + extra * std::max(kCostOfRow * seconds_[below], cost_of_row(below) / 2);
  }
  const double slope =
      above == below ? 0 : (seconds_[above] - seconds_[below]) / static_cast<double>(above - below);
  return seconds_[below] + slope * extra;
}

// What a row cost in a pass of so many, which was measured, beyond the smallest that was.
double DraftLength::cost_of_row(size_t rows) const {
  size_t fewest = 1;
  while (seconds_[fewest] == 0) {
    ++fewest;
  }
  return fewest == rows ? 0
                        : (seconds_[rows] - seconds_[fewest]) / static_cast<double>(rows - fewest);
}

}  // namespace rotor
