// SPDX-License-Identifier: Apache-2.0
// Each filter against a direct computation in long double, and its edges: ties, one token, all
// tokens.
#include "engine/candidates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

namespace rotor {
namespace {

std::vector<TokenId> tokens_of(const Candidates& candidates) {
  std::vector<TokenId> tokens;
  for (const TokenLogit& candidate : candidates.kept()) {
    tokens.push_back(candidate.token);
  }
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

std::vector<TokenId> filtered(const std::vector<float>& logits,
                              const std::function<void(Candidates&)>& filter,
                              size_t top_k = SIZE_MAX) {
  Candidates candidates;
  candidates.assign(logits, top_k);
  filter(candidates);
  return tokens_of(candidates);
}

// Logits that are logarithms of probabilities.
std::vector<float> logs(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) {
    logits.push_back(static_cast<float>(std::log(p)));
  }
  return logits;
}

using Tokens = std::vector<TokenId>;

TEST(Candidates, BannedTokensAreLeftOut) {
  EXPECT_EQ(filtered({1, -INFINITY, 2}, [](Candidates&) {}), (Tokens{0, 2}));
}

TEST(Candidates, TopKKeepsTheLargestAndTheLowerIdOfTies) {
  const std::vector<float> logits = {1, 3, 3, 2, 3};
  EXPECT_EQ(filtered(
                logits, [](Candidates&) {}, 2),
            (Tokens{1, 2}));
  EXPECT_EQ(filtered(
                logits, [](Candidates&) {}, 4),
            (Tokens{1, 2, 3, 4}));
  EXPECT_EQ(filtered(
                logits, [](Candidates&) {}, 99),
            (Tokens{0, 1, 2, 3, 4}));
}

TEST(Candidates, TopPKeepsTheShortestRunThatReachesTheMass) {
  const std::vector<float> logits = logs({0.1, 0.5, 0.15, 0.25});
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_top_p(0.0); }), (Tokens{1}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_top_p(0.49); }), (Tokens{1}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_top_p(0.51); }), (Tokens{1, 3}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_top_p(0.76); }), (Tokens{1, 2, 3}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_top_p(0.95); }), (Tokens{0, 1, 2, 3}));
}

TEST(Candidates, TopPOfEqualTokensIsExact) {
  // Four equal tokens: half the mass is reached by exactly two, and those are the lower ids.
  EXPECT_EQ(filtered({7, 7, 7, 7}, [](Candidates& c) { c.keep_top_p(0.5); }), (Tokens{0, 1}));
}

TEST(Candidates, MinPComparesWithTheMostLikely) {
  const std::vector<float> logits = logs({0.04, 0.8, 0.12, 0.04});
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_min_p(0.1); }), (Tokens{1, 2}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_min_p(0.04); }), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(filtered({5, 5, 4}, [](Candidates& c) { c.keep_min_p(1.0); }), (Tokens{0, 1}));
}

TEST(Candidates, TypicalPrefersTokensNearTheEntropy) {
  // Entropy 1.13 nats; informations 0.51, 1.61, 2.12, 2.53: distances 0.62, 0.48, 0.99, 1.40.
  const std::vector<float> logits = logs({0.6, 0.2, 0.12, 0.08});
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_typical(0.0); }), (Tokens{1}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_typical(0.19); }), (Tokens{1}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_typical(0.79); }), (Tokens{0, 1}));
  EXPECT_EQ(filtered(logits, [](Candidates& c) { c.keep_typical(0.9); }), (Tokens{0, 1, 2}));
}

TEST(Candidates, TypicalOfEqualTokensTakesTheLowerIds) {
  EXPECT_EQ(filtered({7, 7, 7, 7}, [](Candidates& c) { c.keep_typical(0.5); }), (Tokens{0, 1}));
}

TEST(Candidates, FiltersChainOnWhatIsLeft) {
  // After top-k 2 the probabilities are 2/3 and 1/3, so a mass of 0.6 is reached by the first.
  const std::vector<float> logits = logs({0.2, 0.4, 0.2, 0.2});
  EXPECT_EQ(filtered(
                logits, [](Candidates& c) { c.keep_top_p(0.6); }, 2),
            (Tokens{1}));
  const auto typical_then_others = [](Candidates& c) {
    c.keep_typical(0.99);
    c.keep_top_p(0.55);
    c.keep_min_p(0.6);
  };
  EXPECT_EQ(filtered(logits, typical_then_others), (Tokens{1}));
}

TEST(Candidates, TopKAgreesWithSortingOnRowsFullOfTies) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    const size_t vocab = 1 + random() % 2000;
    const size_t k = 1 + random() % 300;
    std::vector<float> logits(vocab);
    std::generate(logits.begin(), logits.end(), [&] { return float(random() % 50); });
    Tokens want(vocab);
    std::iota(want.begin(), want.end(), 0);
    std::stable_sort(want.begin(), want.end(), [&](TokenId a, TokenId b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    want.resize(std::min(k, vocab));
    std::sort(want.begin(), want.end());
    EXPECT_EQ(filtered(
                  logits, [](Candidates&) {}, k),
              want);
  }
}

// The tokens in order of `key` (ascending, ties by id) until their probability reaches `mass`.
Tokens reference_run(const std::vector<long double>& p, const std::vector<long double>& key,
                     long double mass) {
  Tokens order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    return key[static_cast<size_t>(a)] < key[static_cast<size_t>(b)];
  });
  long double reached = 0;
  Tokens run;
  for (const TokenId token : order) {
    run.push_back(token);
    reached += p[static_cast<size_t>(token)];
    if (reached >= mass) {
      break;
    }
  }
  std::sort(run.begin(), run.end());
  return run;
}

TEST(Candidates, AgreeWithADirectComputationOnRandomRows) {
  std::mt19937 random(7);
  for (int round = 0; round < 100; ++round) {
    const size_t vocab = 1 + random() % 3000;
    std::normal_distribution<float> normal(0, static_cast<float>(1 + round % 6));
    std::vector<float> logits(vocab);
    std::generate(logits.begin(), logits.end(), [&] { return normal(random); });
    const float max = *std::max_element(logits.begin(), logits.end());
    std::vector<long double> p(vocab);
    long double total = 0;
    for (size_t i = 0; i < vocab; ++i) {
      p[i] = std::exp(static_cast<long double>(logits[i]) - max);
      total += p[i];
    }
    long double entropy = 0;
    for (long double& probability : p) {
      probability /= total;
      entropy -= probability * std::log(probability);
    }
    std::vector<long double> less_likely(vocab);
    std::vector<long double> distance(vocab);
    for (size_t i = 0; i < vocab; ++i) {
      less_likely[i] = -static_cast<long double>(logits[i]);
      distance[i] = std::fabs(-std::log(p[i]) - entropy);
    }
    const double mass = std::uniform_real_distribution<double>(0.05, 0.99)(random);
    EXPECT_EQ(filtered(logits, [&](Candidates& c) { c.keep_top_p(mass); }),
              reference_run(p, less_likely, mass));
    EXPECT_EQ(filtered(logits, [&](Candidates& c) { c.keep_typical(mass); }),
              reference_run(p, distance, mass));
    // A sorted front must not change what the next filter keeps.
    const auto twice = [&](Candidates& c) {
      c.keep_top_p(1.0);
      c.keep_top_p(mass);
    };
    EXPECT_EQ(filtered(logits, twice), reference_run(p, less_likely, mass));
  }
}

}  // namespace
}  // namespace rotor
