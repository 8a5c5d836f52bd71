// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/expert_routes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rotor {

ExpertRoutes::ExpertRoutes(size_t experts, size_t used, size_t max_batch)
    : experts_(experts), used_(used), chosen_(max_batch * used), logits_(max_batch * used),
      weights_(max_batch * used), next_(experts), places_(max_batch * used) {
  groups_.reserve(experts);
}

bool ExpertRoutes::choose(const KernelTable& kernels, size_t row, const float* logits) {
  uint32_t* const best = chosen_.data() + row * used_;
  if (!std::all_of(logits, logits + experts_, [](float x) { return std::isfinite(x); })) {
    std::iota(best, best + used_, 0u);
    std::fill_n(weights_.data() + row * used_, used_, 0.0f);
    return false;
  }
  size_t held = 0;  // the largest so far, the largest first; a later one goes before smaller ones alone
  for (uint32_t expert = 0; expert < experts_; ++expert) {
    if (held == used_ && !(logits[expert] > logits[best[used_ - 1]])) {
      continue;
    }
    size_t place = held < used_ ? held++ : used_ - 1;
    for (; place > 0 && logits[expert] > logits[best[place - 1]]; --place) {
      best[place] = best[place - 1];
    }
    best[place] = expert;
  }
  const float largest = logits[best[0]];
  std::sort(best, best + used_);
  float* const held_logits = logits_.data() + row * used_;
  for (size_t i = 0; i < used_; ++i) {
    held_logits[i] = logits[best[i]];
  }
  const float sum = kernels.exp_sum(held_logits, used_, largest);
  for (size_t i = 0; i < used_; ++i) {  // the sum of one term is the term
    weights_[row * used_ + i] = kernels.exp_sum(held_logits + i, 1, largest) / sum;
  }
  return true;
}

void ExpertRoutes::group(size_t rows) {
  place_count_ = rows * used_;
  std::fill(next_.begin(), next_.end(), size_t{0});
  for (size_t i = 0; i < place_count_; ++i) {
    ++next_[chosen_[i]];
  }
  groups_.clear();
  size_t first = 0;
  for (size_t expert = 0; expert < experts_; ++expert) {
    const size_t count = next_[expert];
    if (count != 0) {
      groups_.push_back({expert, {first, first + count}});
    }
    next_[expert] = first;
    first += count;
  }
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = row * used_; i < (row + 1) * used_; ++i) {
      places_[next_[chosen_[i]]++] = {static_cast<uint32_t>(row), weights_[i]};
    }
  }
}

}  // namespace rotor
