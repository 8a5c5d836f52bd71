// SPDX-License-Identifier: Apache-2.0
// The order of the filters and the draw.
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/exp_log.h"
#include "model/gumbel.h"

namespace rotor {
namespace {

// argmax of logit / temperature + noise, ties to the lower id.
TokenId draw_from(std::span<const TokenLogit> candidates, const TokenDraw& draw) {
  const auto& [key, temperature] = draw;
  TokenId best_token = candidates.front().token;
  double best = -INFINITY;
  for (const auto& [logit, token] : candidates) {
    const uint64_t bits = gumbel_bits(key, token);
    if (draw_score(logit, temperature, gumbel_bound(bits)) < best) {
      continue;
    }
    const double score = draw_score(logit, temperature, gumbel_from_bits(bits));
    if (score > best || (score == best && token < best_token)) {
      best = score;
      best_token = token;
    }
  }
  return best_token;
}

TokenDraw token_draw(const SamplingParams& params, std::span<const TokenId> history,
                     uint32_t sample) {
  return {{params.seed, sample, static_cast<uint32_t>(history.size())}, params.temperature};
}

}  // namespace

bool draws_from_few(const SamplingParams& params) {
  return params.temperature == 0.0f || params.top_k > 0 ||
         (params.typical_p == 1.0f && params.top_p == 1.0f);
}

Result<Sampler> Sampler::create(const SamplingParams& params, size_t vocab) {
  ROTOR_TRY(validate(params, vocab));
  return Sampler(params, vocab);
}

// A logit that is not adjusted is among the `likely` largest after adjusting only if fewer than
// `likely` such are larger; so it was among that many and the adjusted ones to begin with. Without
// top-k, min-p alone looks no lower than a distance below the largest logit, which is at least the
// largest that is not adjusted. Without any filter the draw falls on an adjusted token, or on the one
// that it would fall on without them.
bool Sampler::query(std::span<const TokenId> history, uint32_t sample, TopQuery& query) const {
  if (!draws_from_few(params_)) {
    return false;
  }
  const bool by_top_k = params_.temperature != 0.0f && params_.top_k > 0;
  adjust_.changes(history, query.also);
  query.count = (by_top_k ? static_cast<size_t>(params_.top_k) : 1) + query.also.size();
  query.below = 0;
  query.draw.reset();
  if (params_.temperature == 0.0f || by_top_k) {
    return true;
  }
  if (params_.min_p == 0.0f) {
    query.draw = token_draw(params_, history, sample);
  } else {
    constexpr double kRoundedUp = 1e-3;  // more than what comparing in binary32 is off
    query.below = static_cast<float>(-portable_log(params_.min_p) + kRoundedUp);
  }
  return true;
}

Result<TokenId> Sampler::draw(const RowLogits& logits, std::span<const TokenId> history,
                              uint32_t sample, bool has_bans) {
  const size_t likely = params_.temperature == 0.0f ? 1
                        : params_.top_k == 0        ? std::max(logits.all.size(), logits.top.size())
                                                    : static_cast<size_t>(params_.top_k);
  if (logits.all.empty()) {
    ROTOR_ASSIGN(const std::span<const TokenLogit> row, adjust_.apply(logits.top, history));
    candidates_.assign(row, likely);
  } else {
    ROTOR_ASSIGN(const std::span<const float> row, adjust_.apply(logits.all, history, has_bans));
    candidates_.assign(row, likely);
  }
  if (params_.temperature == 0.0f) {
    return candidates_.kept().front().token;
  }
  filter();
  return draw_from(candidates_.kept(), token_draw(params_, history, sample));
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
