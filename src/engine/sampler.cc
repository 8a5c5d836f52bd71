// SPDX-License-Identifier: Apache-2.0
// The order of the filters and the draw.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "engine/gumbel.h"

namespace rotor {
namespace {

// argmax of logit / temperature + noise, ties to the lower id.
TokenId draw_from(std::span<const Candidate> candidates, double temperature, const DrawKey& key) {
  TokenId best_token = candidates.front().token;
  double best = -INFINITY;
  for (const auto& [logit, token] : candidates) {
    const double scaled = logit / temperature;
    const uint64_t bits = gumbel_bits(key, token);
    if (scaled + gumbel_bound(bits) < best) {
      continue;  // rounding is monotonic, so the sum below would be smaller too
    }
    const double score = scaled + gumbel_from_bits(bits);
    if (score > best || (score == best && token < best_token)) {
      best = score;
      best_token = token;
    }
  }
  return best_token;
}

}  // namespace

Result<Sampler> Sampler::create(const SamplingParams& params, size_t vocab) {
  ROTOR_TRY(validate(params, vocab));
  return Sampler(params, vocab);
}

Result<TokenId> Sampler::draw(std::span<const float> logits, std::span<const TokenId> history,
                              uint32_t sample) {
  ROTOR_ASSIGN(const std::span<const float> row, adjust_.apply(logits, history));
  if (params_.temperature == 0.0f) {
    // max_element returns the first of equals: the lowest id.
    return static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
  }
  candidates_.assign(row, params_.top_k == 0 ? row.size() : static_cast<size_t>(params_.top_k));
  filter();
  const DrawKey key{params_.seed, sample, static_cast<uint32_t>(history.size())};
  return draw_from(candidates_.kept(), params_.temperature, key);
}

void Sampler::filter() {
  if (params_.typical_p < 1.0f) {
    candidates_.keep_typical(params_.typical_p);
  }
  if (params_.top_p < 1.0f) {
    candidates_.keep_top_p(params_.top_p);
  }
  if (params_.min_p > 0.0f) {
    candidates_.keep_min_p(params_.min_p);
  }
}

}  // namespace rotor
