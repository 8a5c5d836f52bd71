// SPDX-License-Identifier: Apache-2.0
// DrawCandidates: the tokens that a draw may fall on when all that is known of their logits is a lower
// and an upper bound. The noise is known exactly, so a token is out as soon as another's score is
// certainly higher.
#pragma once

#include <rotor/token.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/gumbel.h"

namespace rotor {

class DrawCandidates {
 public:
  struct Candidate {
    double score;  // at most
    TokenId token;
  };

  // Tokens for which there is room without an allocation after reserve().
  static constexpr size_t kUsual = 512;
  void reserve() { kept_.reserve(kUsual); }

  // At most `most` tokens are to come into question.
  void clear(const TokenDraw& draw, size_t most) {
    kept_.clear();
    draw_ = draw;
    most_ = most;
    room_ = kUsual;
    floor_ = -INFINITY;
    too_many_ = false;
  }

  // How many zeros the bits of a token must begin with if its logit is at most `upper` and it may be
  // the one: 0 .. 65, where 65 is more than there are.
  int zeros_to_win(float upper) const {
    int zeros = 0;
    while (zeros <= 64 &&
           draw_score(upper, draw_.temperature, gumbel_bound_of_zeros(zeros)) < floor_) {
      ++zeros;
    }
    return zeros;
  }

  // Whether a token with a logit of at most `upper` may be the one, by the bound of its noise alone;
  // `bits`: gumbel_bits() of the token.
  bool may_win(float upper, uint64_t bits) const {
    return draw_score(upper, draw_.temperature, gumbel_bound(bits)) >= floor_;
  }

  // A token with a logit between `lower` and `upper`.
  void add(float lower, float upper, uint64_t bits, TokenId token) {
    const double noise = gumbel_from_bits(bits);
    const double score = draw_score(upper, draw_.temperature, noise);
    if (score < floor_ || too_many_) {
      return;
    }
    floor_ = std::max(floor_, draw_score(lower, draw_.temperature, noise));
    if (kept_.size() == room_) {
      raise_floor(floor_);
      too_many_ = kept_.size() > most_;
      room_ = std::max(room_, 2 * kept_.size());
    }
    kept_.push_back({score, token});
  }

  // A score that one of the tokens reaches; -infinity before the first.
  double floor() const { return floor_; }

  // Drops the tokens that do not reach `floor`.
  void raise_floor(double floor) {
    floor_ = std::max(floor_, floor);
    std::erase_if(kept_, [this](const Candidate& candidate) { return candidate.score < floor_; });
  }

  // By order of add(). Every token that may still be the one is among them, unless too_many().
  std::span<const Candidate> kept() const { return kept_; }
  bool too_many() const { return too_many_; }

 private:
  TokenDraw draw_{};
  double floor_ = -INFINITY;
  std::vector<Candidate> kept_;
  size_t room_ = kUsual;  // of kept_, before what is out is dropped
  size_t most_ = 0;
  bool too_many_ = false;
};

}  // namespace rotor
