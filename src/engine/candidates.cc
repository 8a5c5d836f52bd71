// SPDX-License-Identifier: Apache-2.0
// The filters. A weight is floor(2^39 exp(logit - max)): below 2^24 tokens, a sum stays below 2^63.
#include "engine/candidates.h"

#include <algorithm>
#include <cmath>

#include "base/exp_log.h"

namespace rotor {
namespace {

constexpr double kOne = 0x1p39;

uint64_t weight(double below_max) { return static_cast<uint64_t>(portable_exp(below_max) * kOne); }

}  // namespace

void Candidates::assign(std::span<const float> logits, size_t k) {
  most_likely_.clear(std::min(k, logits.size()));
  for (size_t i = 0; i < logits.size(); ++i) {
    most_likely_.add(logits[i], static_cast<TokenId>(i));
  }
  take();
}

void Candidates::assign(std::span<const TokenLogit> logits, size_t k) {
  most_likely_.clear(std::min(k, logits.size()));
  for (const auto& [logit, token] : logits) {
    most_likely_.add(logit, token);
  }
  take();
}

void Candidates::take() {
  const std::span<const TokenLogit> taken = most_likely_.take();
  kept_.assign(taken.begin(), taken.end());
  sorted_ = 0;
}

double Candidates::max_logit() const {
  if (sorted_ > 0) {
    return kept_.front().logit;
  }
  float max = kept_.front().logit;
  for (const TokenLogit& candidate : kept_) {
    max = std::max(max, candidate.logit);
  }
  return max;
}

void Candidates::sort_first(size_t count) {
  if (count <= sorted_) {
    return;
  }
  const auto unsorted = kept_.begin() + static_cast<ptrdiff_t>(sorted_);
  const auto end = kept_.begin() + static_cast<ptrdiff_t>(count);
  std::nth_element(unsorted, end, kept_.end(), more_likely);
  std::sort(unsorted, end, more_likely);
  sorted_ = count;
}

void Candidates::keep_typical(double mass) {
  // With d = logit - max: -ln(p) - entropy = (sum of p d) - d. The terms w * -d are below 2^39 / e.
  const double max = max_logit();
  uint64_t total = 0;
  uint64_t moment = 0;
  for (const TokenLogit& candidate : kept_) {
    const double d = candidate.logit - max;
    const double share = portable_exp(d) * kOne;
    total += static_cast<uint64_t>(share);
    moment += static_cast<uint64_t>(share * -d);
  }
  const double mean = -static_cast<double>(moment) / static_cast<double>(total);
  distances_.clear();
  for (const TokenLogit& candidate : kept_) {
    distances_.push_back({std::fabs(mean - (candidate.logit - max)), candidate});
  }
  std::sort(distances_.begin(), distances_.end(), [](const Distance& a, const Distance& b) {
    return a.from_entropy < b.from_entropy ||
           (a.from_entropy == b.from_entropy && a.candidate.token < b.candidate.token);
  });
  const double goal = mass * static_cast<double>(total);
  uint64_t reached = 0;
  kept_.clear();
  sorted_ = 0;
  for (const Distance& distance : distances_) {
    kept_.push_back(distance.candidate);
    reached += weight(distance.candidate.logit - max);
    if (static_cast<double>(reached) >= goal) {
      break;
    }
  }
}

void Candidates::keep_top_p(double mass) {
  const double max = max_logit();
  uint64_t total = 0;
  for (const TokenLogit& candidate : kept_) {
    total += weight(candidate.logit - max);
  }
  const double goal = mass * static_cast<double>(total);
  // The cut is usually near the front: sort only as far as it takes.
  constexpr size_t kFirstSorted = 64;
  uint64_t reached = 0;
  size_t count = 0;
  while (count < kept_.size()) {
    if (count >= sorted_) {
      sort_first(std::min(kept_.size(), std::max(kFirstSorted, 4 * count)));
    }
    reached += weight(kept_[count].logit - max);
    ++count;
    if (static_cast<double>(reached) >= goal) {
      break;
    }
  }
  kept_.resize(count);
  sorted_ = std::min(sorted_, count);
}

void Candidates::keep_min_p(double ratio) {
  const double lowest = max_logit() + portable_log(ratio);
  std::erase_if(kept_, [lowest](const TokenLogit& candidate) { return candidate.logit < lowest; });
  sorted_ = std::min(sorted_, kept_.size());
}

}  // namespace rotor
