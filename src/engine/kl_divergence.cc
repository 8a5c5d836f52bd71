// SPDX-License-Identifier: Apache-2.0
#include "engine/kl_divergence.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/exp_log.h"

namespace rotor {
namespace {

constexpr float kLeastBase = -16.0f;  // below it a saved row tells nothing apart

// Two passes over the values: no digits are lost.
Estimate mean_of(std::span<const double> values) {
  const double n = static_cast<double>(values.size());
  Estimate estimate;
  for (const double value : values) {
    estimate.value += value / n;
  }
  double squares = 0;
  for (const double value : values) {
    squares += (value - estimate.value) * (value - estimate.value);
  }
  estimate.error = values.size() < 2 ? 0 : std::sqrt(squares / (n - 1) / n);
  return estimate;
}

double quantile(std::vector<double> values, double fraction) {
  const double rank = fraction * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<ptrdiff_t>(rank);
  std::nth_element(values.begin(), below, values.end());
  const double low = *below;
  const double part = rank - std::floor(rank);
  return part == 0 ? low : low + part * (*std::min_element(below + 1, values.end()) - low);
}

}  // namespace

void KlDivergence::add(const ScoredToken& scored, const SavedRow& base) {
  double divergence = 0;
  for (size_t i = 0; i < scored.logits.size(); ++i) {
    const float base_log = base[i];
    if (base_log > kLeastBase) {
      divergence += portable_exp(base_log) * (base_log - scored.log_probability(scored.logits[i]));
    }
  }
  divergences_.push_back(divergence);
  const auto top = static_cast<size_t>(
      std::max_element(scored.logits.begin(), scored.logits.end()) - scored.logits.begin());
  const auto codes = base.codes();
  same_top_ += codes[top] == *std::max_element(codes.begin(), codes.end());
  const auto token = static_cast<size_t>(scored.token);
  const double log = scored.log_probability(scored.logits[token]);
  const double base_log = std::min(0.0f, base[token]);
  deltas_.push_back(portable_exp(log) - portable_exp(base_log));
  base_nats_.push_back(-base_log);
  nat_deltas_.push_back(base_log - log);
}

Estimate KlDivergence::divergence() const { return mean_of(divergences_); }

double KlDivergence::divergence_quantile(double fraction) const {
  return quantile(divergences_, fraction);
}

Estimate KlDivergence::same_top() const {
  const double n = static_cast<double>(tokens());
  const double share = static_cast<double>(same_top_) / n;
  return {share, tokens() < 2 ? 0 : std::sqrt(share * (1 - share) / (n - 1))};
}

Estimate KlDivergence::delta_p() const { return mean_of(deltas_); }

Estimate KlDivergence::delta_p_rms() const {
  std::vector<double> squares;
  squares.reserve(deltas_.size());
  for (const double delta : deltas_) {
    squares.push_back(delta * delta);
  }
  const Estimate mean = mean_of(squares);
  const double root = std::sqrt(mean.value);
  return {root, root == 0 ? 0 : mean.error / (2 * root)};
}

double KlDivergence::delta_p_quantile(double fraction) const { return quantile(deltas_, fraction); }

Estimate KlDivergence::base_nats() const { return mean_of(base_nats_); }

Estimate KlDivergence::log_perplexity_ratio() const { return mean_of(nat_deltas_); }

}  // namespace rotor
