// SPDX-License-Identifier: Apache-2.0
// The draw: its distribution is the softmax, it depends on seed, sample and position only, and
// ties, bans, penalties and non-finite logits are treated as stated.
#include "engine/sampler.h"

#include "engine/fake_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/log_softmax.h"
#include "model/gumbel.h"

namespace rotor {
namespace {

using ::testing::HasSubstr;

// The model's own distribution: no filter, no penalty.
SamplingParams plain(float temperature, uint64_t seed = 1) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = 0;
  params.top_p = 1;
  params.min_p = 0;
  params.seed = seed;
  return params;
}

TokenId draw(const SamplingParams& params, const std::vector<float>& logits,
             const std::vector<TokenId>& history = {}, uint32_t sample = 0) {
  Result<Sampler> sampler = Sampler::create(params, logits.size());
  EXPECT_TRUE(sampler.ok()) << sampler.status().message();
  Result<TokenId> token = sampler->draw({logits, {}}, history, sample);
  EXPECT_TRUE(token.ok()) << token.status().message();
  if (TopQuery query; sampler->query(history, sample, query)) {
    const std::vector<TokenLogit> few = top_logits(logits, query);
    const Result<TokenId> same = sampler->draw({{}, few}, history, sample);
    EXPECT_TRUE(same.ok() && token.ok() && *same == *token) << "from " << few.size() << " logits";
  }
  return token.ok() ? *token : kNoToken;
}

// Uneven values in [-3, 3], exact in binary32.
std::vector<float> uneven_logits(size_t vocab) {
  std::vector<float> logits(vocab);
  for (uint32_t i = 0; i < vocab; ++i) {
    logits[i] = static_cast<float>((i * 2654435761u >> 16) % 1537) / 256.0f - 3.0f;
  }
  return logits;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  EXPECT_EQ(draw(plain(0), {1, 5, 2, 5}), 1);
  EXPECT_EQ(draw(plain(0), {-3}), 0);
}

TEST(Sampler, GreedyIgnoresTheSeed) {
  const std::vector<float> logits = uneven_logits(300);
  EXPECT_EQ(draw(plain(0, 1), logits), draw(plain(0, 2), logits));
}

TEST(Sampler, DrawIsTheArgmaxOfTheWrittenRule) {
  const std::vector<float> logits = uneven_logits(5000);
  for (uint32_t position = 0; position < 200; ++position) {
    TokenId want = kNoToken;
    double best = -INFINITY;
    for (size_t i = 0; i < logits.size(); ++i) {
      const TokenId token = static_cast<TokenId>(i);
      const double noise = gumbel_from_bits(gumbel_bits({9, 3, position}, token));
      if (logits[i] / double{0.7f} + noise > best) {
        best = logits[i] / double{0.7f} + noise;
        want = token;
      }
    }
    EXPECT_EQ(draw(plain(0.7f, 9), logits, std::vector<TokenId>(position, 0), 3), want);
  }
}

// Pearson's chi-square statistic of `counts` against `probabilities`.
double chi_square(const std::vector<int>& counts, const std::vector<double>& probabilities) {
  const int draws = std::accumulate(counts.begin(), counts.end(), 0);
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * draws;
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

std::vector<int> count_draws(const SamplingParams& params, const std::vector<float>& logits,
                             int draws) {
  Sampler sampler = *Sampler::create(params, logits.size());
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) {
    // Positions, samples and seeds must all serve as sources of independent draws.
    const std::vector<TokenId> history(static_cast<size_t>(i % 100), 0);
    const auto sample = static_cast<uint32_t>(i / 100);
    ++counts[static_cast<size_t>(*sampler.draw({logits, {}}, history, sample))];
  }
  return counts;
}

TEST(Sampler, DistributionIsTheSoftmaxAtTheTemperature) {
  const std::vector<float> logits = uneven_logits(21);
  for (const float temperature : {0.5f, 1.0f, 2.0f}) {
    std::vector<float> scaled = logits;
    for (float& logit : scaled) {
      logit /= temperature;
    }
    std::vector<double> probabilities;
    for (size_t i = 0; i < logits.size(); ++i) {
      probabilities.push_back(std::exp(log_softmax(scaled)(scaled[i])));
    }
    const std::vector<int> counts = count_draws(plain(temperature), logits, 100'000);
    // 20 degrees of freedom: exceeded with probability 1e-4 (and the draws are fixed).
    EXPECT_LT(chi_square(counts, probabilities), 52.4) << temperature;
    // The same counts do not fit a neighbouring temperature: the test can fail.
    for (size_t i = 0; i < logits.size(); ++i) {
      scaled[i] = logits[i] / (temperature * 1.05f);
    }
    for (size_t i = 0; i < logits.size(); ++i) {
      probabilities[i] = std::exp(log_softmax(scaled)(scaled[i]));
    }
    EXPECT_GT(chi_square(counts, probabilities), 52.4) << temperature;
  }
}

TEST(Sampler, FiltersRenormalize) {
  SamplingParams params = plain(1);
  params.top_k = 2;
  const std::vector<int> counts =
      count_draws(params, {std::log(0.3f), std::log(0.1f), std::log(0.6f)}, 30'000);
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(counts[2], 20'000, 4 * std::sqrt(30'000 * 2.0 / 9));
}

TEST(Sampler, SeedSampleAndPositionEachChangeTheDraws) {
  const std::vector<float> logits = uneven_logits(1000);
  int same_seed = 0, same_sample = 0, same_position = 0;
  for (uint32_t i = 0; i < 50; ++i) {
    const std::vector<TokenId> history(i, 0);
    const TokenId token = draw(plain(1, 5), logits, history, 1);
    EXPECT_EQ(token, draw(plain(1, 5), logits, history, 1));
    same_seed += token == draw(plain(1, 6), logits, history, 1);
    same_sample += token == draw(plain(1, 5), logits, history, 2);
    same_position += token == draw(plain(1, 5), logits, std::vector<TokenId>(i + 50, 0), 1);
  }
  EXPECT_LT(same_seed, 10);
  EXPECT_LT(same_sample, 10);
  EXPECT_LT(same_position, 10);
}

TEST(Sampler, DrawsDoNotDependOnTheOrderOfCalls) {
  const std::vector<float> logits = uneven_logits(500);
  SamplingParams params;
  params.repeat_penalty = 1.2f;
  Sampler forwards = *Sampler::create(params, logits.size());
  Sampler backwards = *Sampler::create(params, logits.size());
  std::vector<TokenId> first(32), second(32);
  for (size_t i = 0; i < 32; ++i) {
    const auto sample = static_cast<uint32_t>(i % 4);
    first[i] = *forwards.draw({logits, {}}, std::vector<TokenId>(i, 3), sample);
  }
  for (size_t i = 32; i-- > 0;) {
    const auto sample = static_cast<uint32_t>(i % 4);
    second[i] = *backwards.draw({logits, {}}, std::vector<TokenId>(i, 3), sample);
  }
  EXPECT_EQ(first, second);
}

// Frozen draws: whoever changes them changes every user's text for a given seed.
TEST(Sampler, DrawsAreFrozen) {
  std::vector<TokenId> drawn;
  SamplingParams params;
  params.seed = 42;
  for (uint32_t i = 0; i < 8; ++i) {
    drawn.push_back(draw(params, uneven_logits(1000), std::vector<TokenId>(i, 1), i));
  }
  EXPECT_EQ(drawn, (std::vector<TokenId>{508, 388, 212, 831, 803, 268, 692, 859}));
}

TEST(Sampler, AsksForWhatCanBeDrawnAndWhatMayChange) {
  SamplingParams params;
  params.top_k = 10;
  params.logit_bias = {{7, 1.0f}, {3, -INFINITY}};
  TopQuery query;
  ASSERT_TRUE(Sampler::create(params, 100)->query(std::vector<TokenId>{3, 9}, 0, query));
  EXPECT_EQ(query.count, 12u);
  EXPECT_EQ(query.also, (std::vector<TokenId>{3, 7}));
  params.presence_penalty = 1;
  params.repeat_last_n = 2;
  ASSERT_TRUE(Sampler::create(params, 100)->query(std::vector<TokenId>{5, 9, 3, 9}, 0, query));
  EXPECT_EQ(query.also, (std::vector<TokenId>{3, 7, 9}));
  EXPECT_EQ(query.count, 13u);
  params.temperature = 0;
  ASSERT_TRUE(Sampler::create(params, 100)->query({}, 0, query));
  EXPECT_EQ(query.count, 3u);
  EXPECT_FALSE(query.draw);
}

TEST(Sampler, TemperatureAloneAsksForTheDraw) {
  SamplingParams params = plain(0.7f, 5);
  params.logit_bias = {{7, 1.0f}};
  const std::vector<TokenId> history(9, 1);
  TopQuery query;
  ASSERT_TRUE(Sampler::create(params, 100)->query(history, 2, query));
  ASSERT_TRUE(query.draw);
  EXPECT_EQ(query.also, (std::vector<TokenId>{7}));
  EXPECT_EQ(query.draw->temperature, double{0.7f});
  EXPECT_EQ(query.draw->key.seed, 5u);
  EXPECT_EQ(query.draw->key.sample, 2u);
  EXPECT_EQ(query.draw->key.position, 9u);
  params.top_k = 3;
  ASSERT_TRUE(Sampler::create(params, 100)->query(history, 2, query));
  EXPECT_FALSE(query.draw);
  params.top_k = 0;
  params.typical_p = 0.9f;  // looks at all
  EXPECT_FALSE(Sampler::create(params, 100)->query(history, 2, query));
}

TEST(Sampler, MinPAloneAsksForADistance) {
  SamplingParams params = plain(1);
  params.min_p = 0.05f;
  TopQuery query;
  ASSERT_TRUE(Sampler::create(params, 100)->query({}, 0, query));
  EXPECT_EQ(query.count, 1u);
  EXPECT_NEAR(query.below, std::log(20), 2e-3);
  params.top_p = 0.9f;  // looks at the sum of all
  EXPECT_FALSE(Sampler::create(params, 100)->query({}, 0, query));
  params.top_k = 50;
  ASSERT_TRUE(Sampler::create(params, 100)->query({}, 0, query));
  EXPECT_EQ(query.below, 0.0f);
}

// Penalties and biases lift tokens in and push them out: the helper compares every draw with that
// from the few logits.
TEST(Sampler, AFewLogitsGiveTheSameDraws) {
  const std::vector<float> logits = uneven_logits(500);
  for (const float temperature : {0.0f, 0.7f, 2.0f}) {
    for (const int32_t top_k : {1, 5, 40, 1000}) {
      SamplingParams params;
      params.temperature = temperature;
      params.top_k = top_k;
      params.repeat_penalty = 0.5f;  // repeats are more likely
      params.frequency_penalty = 0.3f;
      params.logit_bias = {{1, 6.0f}, {2, -INFINITY}, {499, -2.0f}};
      for (TokenId i = 0; i < 50; ++i) {
        draw(params, logits, {i, i, (i * 7) % 500, 499}, 0);
      }
    }
    for (const float min_p : {1.0f, 0.5f, 0.05f, 1e-4f, 0.0f}) {
      SamplingParams params = plain(temperature);
      params.min_p = min_p;
      params.presence_penalty = 2;
      params.logit_bias = {{2, -INFINITY}};
      for (TokenId i = 0; i < 50; ++i) {
        draw(params, logits, {i, i, (i * 7) % 500, 499}, 0);
      }
    }
  }
}

TEST(Sampler, NonFiniteLogitsAreRefused) {
  Sampler sampler = *Sampler::create(plain(1), 3);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const Result<TokenId> token = sampler.draw({std::vector<float>{1, bad, 2}, {}}, {}, 0);
    EXPECT_EQ(token.status().code(), Code::kNotFinite);
    EXPECT_THAT(token.status().message(), HasSubstr("token 1"));
  }
}

TEST(Sampler, ATieOfTheSumGoesToTheLowerId) {
  // At this temperature the noise is lost in rounding.
  const SamplingParams params = plain(std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(draw(params, {1, 3e38f, 3e38f, 3e38f}), 1);
}

TEST(Sampler, ExtremeTemperaturesStayFinite) {
  EXPECT_EQ(draw(plain(std::numeric_limits<float>::denorm_min()), {1, 3e38f, 2, -3e38f}), 1);
  const TokenId token = draw(plain(std::numeric_limits<float>::max()), {1, 3e38f, 2});
  EXPECT_GE(token, 0);
}

}  // namespace
}  // namespace rotor
