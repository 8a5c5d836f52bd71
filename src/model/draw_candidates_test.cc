// SPDX-License-Identifier: Apache-2.0
// What is left of a stream of bounds holds the token of the draw, and little else when bounds are narrow.
#include "model/draw_candidates.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>

namespace rotor {
namespace {

constexpr TokenId kTokens = 3000;

struct Bounds {
  float lower;
  float logit;
  float upper;
};
using BoundsOf = std::function<Bounds(TokenId)>;

struct Outcome {
  std::vector<TokenId> kept;
  std::vector<TokenId> drawn;  // those with the highest score
  bool too_many;
};

Outcome stream(const TokenDraw& draw, const BoundsOf& bounds_of, size_t most = kTokens) {
  DrawCandidates candidates;
  candidates.clear(draw, most);
  Outcome outcome;
  double best = -INFINITY;
  for (TokenId token = 0; token < kTokens; ++token) {
    const Bounds bounds = bounds_of(token);
    const uint64_t bits = gumbel_bits(draw.key, token);
    const bool enough_zeros = std::countl_zero(bits) >= candidates.zeros_to_win(bounds.upper);
    EXPECT_EQ(enough_zeros, candidates.may_win(bounds.upper, bits));
    if (candidates.may_win(bounds.upper, bits)) {
      candidates.add(bounds.lower, bounds.upper, bits, token);
    }
    const double score = draw_score(bounds.logit, draw.temperature, gumbel_from_bits(bits));
    if (score > best) {
      outcome.drawn.clear();
      best = score;
    }
    if (score == best) {
      outcome.drawn.push_back(token);
    }
  }
  EXPECT_LE(candidates.floor(), best);
  candidates.raise_floor(candidates.floor());
  for (const auto& [score, token] : candidates.kept()) {
    outcome.kept.push_back(token);
  }
  outcome.too_many = candidates.too_many();
  return outcome;
}

void expect_drawn_among_kept(const Outcome& outcome) {
  EXPECT_FALSE(outcome.too_many);
  EXPECT_TRUE(std::includes(outcome.kept.begin(), outcome.kept.end(), outcome.drawn.begin(),
                            outcome.drawn.end()));
}

TEST(DrawCandidates, TheTokenOfTheDrawIsAmongThem) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const double temperature : {1e-40, 1e-3, 0.3, 1.0, 4.0, 3e38}) {
    for (const float width : {0.0f, 0.01f, 1.0f}) {
      for (uint32_t position = 0; position < 20; ++position) {
        const Outcome outcome = stream({{7, 0, position}, temperature}, [&](TokenId) {
          const float logit = 3 * normal(random);
          return Bounds{logit - width * std::fabs(normal(random)), logit,
                        logit + width * std::fabs(normal(random))};
        });
        expect_drawn_among_kept(outcome);
        if (width == 0) {
          EXPECT_EQ(outcome.kept, outcome.drawn);
        }
        if (width == 0.01f && temperature >= 0.3) {
          EXPECT_LT(outcome.kept.size(), 20u);
        }
      }
    }
  }
}

// Each token is better than all before: at first all come into question, in the end one does.
TEST(DrawCandidates, OutlivesTheWorstOrder) {
  const Outcome outcome = stream(
      {{7, 0, 1}, 1e-3},
      [](TokenId token) {
        const float logit = static_cast<float>(token);
        return Bounds{logit - 1, logit, logit + 1};
      },
      100);
  expect_drawn_among_kept(outcome);
  EXPECT_LT(outcome.kept.size(), 5u);
}

TEST(DrawCandidates, TiesAreAllKept) {
  const Outcome outcome = stream({{7, 0, 1}, std::numeric_limits<float>::denorm_min()}, [](TokenId token) {
    const float logit = token % 100 == 7 ? 3e38f : 1.0f;  // at this temperature the noise is lost
    return Bounds{logit, logit, logit};
  });
  EXPECT_EQ(outcome.drawn.size(), 30u);
  EXPECT_EQ(outcome.kept, outcome.drawn);
}

TEST(DrawCandidates, SaysWhenTooManyAreLeft) {
  const auto wide = [](TokenId) { return Bounds{-1, 0, 1}; };
  EXPECT_TRUE(stream({{7, 0, 1}, 1e-6}, wide, 1000).too_many);
  EXPECT_FALSE(stream({{7, 0, 1}, 1e-6}, wide, kTokens).too_many);
}

}  // namespace
}  // namespace rotor
