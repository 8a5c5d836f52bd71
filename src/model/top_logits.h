// SPDX-License-Identifier: Apache-2.0
// The tokens of a row that a choice may fall on: how they are asked for, what an executor answers, and
// the selection of the most likely from a stream.
#pragma once

#include <rotor/token.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/gumbel.h"

namespace rotor {

struct TokenLogit {
  float logit;
  TokenId token;
};

// "More likely" means: larger logit, ties by lower token id.
inline bool more_likely(const TokenLogit& a, const TokenLogit& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

// What suffices of a row's logits: those of the `count` most likely tokens, those that are at most
// `below` less than the least of these, and those of the tokens of `also`. With a `draw`, in place of the
// likely tokens: among the tokens that are not of `also`, the one drawn.
struct TopQuery {
  size_t count = 0;
  std::vector<TokenId> also;  // ascending, each once, each below the vocabulary
  float below = 0;            // finite, >= 0
  std::optional<TokenDraw> draw = std::nullopt;
};

// The logits of a row. One of the two is empty: a row that asked by a TopQuery may be answered with
// all of them.
struct RowLogits {
  std::span<const float> all;         // (vocab)
  std::span<const TokenLogit> top;    // by ascending token: at least those that were asked for
};

// What answering queries in two stages took, added up since the executor was made.
struct TwoStageCounts {
  uint64_t rows = 0;        // that asked
  uint64_t unanswered = 0;  // of them: every logit was computed after all
  uint64_t refined = 0;     // times that the rests of a row of the coarse form were read
  uint64_t rescored = 0;    // rows of the head read
};

// Keeps the `count` most likely tokens of those it is given, which come by ascending token. Allocates
// only in reserve() and where that was for fewer.
class MostLikely {
 public:
  void reserve(size_t count) { kept_.reserve(room(count)); }
  // REQUIRES: count >= 1.
  void clear(size_t count) {
    kept_.clear();
    count_ = count;
    too_small_ = -INFINITY;
  }
  void add(float logit, TokenId token) {
    if (logit > too_small_) {  // otherwise `count` tokens are as large and have lower ids
      kept_.push_back({logit, token});
      if (kept_.size() == room(count_)) {
        thin_out();
        too_small_ = kept_.back().logit;
      }
    }
  }
  // The tokens kept, in no promised order.
  std::span<const TokenLogit> take() {
    thin_out();
    return kept_;
  }

 private:
  // Tokens are collected in excess and thinned out now and then.
  static size_t room(size_t count) { return 2 * count + 64; }

  // Leaves the least likely at the back when there were more.
  void thin_out() {
    if (count_ < kept_.size()) {
      const auto last = kept_.begin() + static_cast<ptrdiff_t>(count_) - 1;
      std::nth_element(kept_.begin(), last, kept_.end(), more_likely);
      kept_.resize(count_);
    }
  }

  std::vector<TokenLogit> kept_;
  size_t count_ = 0;
  float too_small_ = -INFINITY;
};

}  // namespace rotor
