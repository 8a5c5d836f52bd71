// SPDX-License-Identifier: Apache-2.0
// Candidates: the tokens that may still be drawn, and the filters that thin them out. Probabilities
// are softmax over what is left when a filter starts, held as integers, so that their sums are
// exact and no order of summation has to be agreed on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/top_logits.h"

namespace rotor {

// A filter keeps at least one token.
class Candidates {
 public:
  // Starts with the `k` most likely tokens of `logits` (vocab); k >= 1, vocab < 2^24. Logits are
  // finite or -infinity; the latter are left out, and at least one is finite.
  void assign(std::span<const float> logits, size_t k);
  // The same of some tokens, by ascending id.
  void assign(std::span<const TokenLogit> logits, size_t k);

  // Keeps the shortest run of tokens, by growing distance of -ln(probability) from the entropy
  // (ties by lower id), whose probabilities reach `mass`.
  void keep_typical(double mass);
  // Keeps the shortest run of tokens, most likely first, whose probabilities reach `mass`.
  void keep_top_p(double mass);
  // Keeps the tokens at least `ratio` times as likely as the most likely one; 0 < ratio <= 1.
  void keep_min_p(double ratio);

  // What is left, in no promised order.
  std::span<const TokenLogit> kept() const { return kept_; }

 private:
  void take();
  double max_logit() const;
  void sort_first(size_t count);

  struct Distance {
    double from_entropy;
    TokenLogit candidate;
  };
  MostLikely most_likely_;
  std::vector<TokenLogit> kept_;
  size_t sorted_ = 0;  // so many at the front are in order, and more likely than the rest
  std::vector<Distance> distances_;
};

}  // namespace rotor
