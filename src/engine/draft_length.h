// SPDX-License-Identifier: Apache-2.0
// DraftLength: how many draft tokens are worth computing along with the next token of each answer. It
// follows how often they are drawn and what a pass over several rows costs, and picks the lengths with
// the most tokens a second. It never changes which tokens are drawn.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <span>

#include "engine/ngram_draft.h"

namespace rotor {

class DraftLength {
 public:
  static constexpr size_t kMostRows = 32;  // of a pass with drafts
  static constexpr size_t kMost = kMostRows - 1;
  // Passes without drafts, though there were some, until what drafts cost is measured anew.
  static constexpr size_t kFirstPatience = 4;
  static constexpr size_t kMostPatience = 256;

  // The draft of one answer.
  struct Draft {
    size_t match;      // NgramDraft::match() of its tokens
    size_t most;       // tokens that could be computed
    size_t count = 0;  // tokens that are worth it
  };

  // Sets the counts of all answers of a pass, which has at most `most_rows` rows, one of each answer
  // before the drafts.
  void choose(std::span<Draft> drafts, size_t most_rows);

  // A draft token, computed or not, was compared with the one that was drawn. `match`: of the draft, and
  // one more for each token of it before this one.
  void checked(size_t match, bool drawn);
  // A pass over `rows` rows took so long.
  void measured(size_t rows, double seconds);

 private:
  // Matches of 0, 1, 2 .. 3, 4 .. 7, 8 .. 15 and more tokens.
  static constexpr size_t kKinds = std::bit_width(NgramDraft::kLongest) + 1;
  static size_t kind(size_t match);
  double accepted(size_t match) const { return accepted_[kind(match)]; }
  double cost(size_t rows) const;
  double cost_of_row(size_t rows) const;

  // Share of draft tokens drawn, by kind. Before anything is known longer matches are taken to go on
  // more often.
  std::array<double, kKinds> accepted_ = {0.15, 0.3, 0.35, 0.6, 0.8, 0.9};
  std::array<double, kMostRows + 1> seconds_ = {};  // of a pass, by rows; 0: not measured
  size_t declined_ = 0;  // passes without a draft though there was one, since costs were forgotten
  size_t patience_ = kFirstPatience;  // how many of them until costs are forgotten again
};

}  // namespace rotor
