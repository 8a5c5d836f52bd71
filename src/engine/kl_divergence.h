// SPDX-License-Identifier: Apache-2.0
// How far a model's predictions are from saved ones of a base, token by token of a text: what
// llama-perplexity --kl-divergence tells.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/perplexity.h"
#include "engine/saved_logits.h"

namespace rotor {

// A mean and its standard error, taking tokens as independent.
struct Estimate {
  double value = 0;
  double error = 0;
};

class KlDivergence {
 public:
  // The next scored token: the model's logits before it and the base's log-probabilities.
  // REQUIRES: as many of one as of the other.
  void add(const ScoredToken& scored, const SavedRow& base);

  size_t tokens() const { return divergences_.size(); }

  // Sum over the vocabulary of p_base * (ln p_base - ln p), in nats. Tokens that the base holds to be
  // less likely than e^-16 are left out.
  Estimate divergence() const;
  // Of the tokens' divergences, linear between ranks: 0.5 is the median, 1 the largest. REQUIRES:
  // tokens() > 0.
  double divergence_quantile(double fraction) const;

  // How often the model's likeliest token is (one of) the base's likeliest.
  Estimate same_top() const;

  // Of the text's own token: probability by the model less that by the base.
  Estimate delta_p() const;
  Estimate delta_p_rms() const;  // root of its mean square
  double delta_p_quantile(double fraction) const;

  // Mean of -ln(probability) of the text's tokens by the base, and by the model less by the base:
  // ln of the ratio of the perplexities. Its error knows that both saw the same text.
  Estimate base_nats() const;
  Estimate log_perplexity_ratio() const;

 private:
  std::vector<double> divergences_;
  std::vector<double> deltas_;      // of p
  std::vector<double> base_nats_;
  std::vector<double> nat_deltas_;  // model less base
  size_t same_top_ = 0;
};

}  // namespace rotor
