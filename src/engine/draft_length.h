// SPDX-License-Identifier: Apache-2.0
// DraftLength: how many draft tokens are worth computing along with the next one. It follows how
// often they are drawn and what a pass over several rows costs, and picks the length with the most
// tokens a second. It never changes which tokens are drawn.
#pragma once

#include <array>
#include <cstddef>

#include "engine/ngram_draft.h"

namespace rotor {

class DraftLength {
 public:
  static constexpr size_t kMost = 15;

  // 0 .. min(most, kMost) draft tokens to compute, given how the n-gram was found.
  size_t choose(NgramDraft::Match match, size_t most) const;

  // A draft token, computed or not, was compared with the one that was drawn.
  void checked(NgramDraft::Match match, bool drawn);
  // A pass over `rows` rows, 1 .. kMost + 1, took so long.
  void measured(size_t rows, double seconds);

 private:
  double cost(size_t rows) const;

  // Before anything is known a long match is taken to go on more often than not.
  std::array<double, 3> accepted_ = {0.0, 0.3, 0.6};  // share of draft tokens drawn, by Match
  std::array<double, kMost + 2> seconds_ = {};        // of a pass, by rows; 0: not measured
};

}  // namespace rotor
