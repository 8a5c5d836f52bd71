// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/expert_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/cpu_features.h"

namespace rotor {
namespace {

using testing::ElementsAre;

const KernelTable& scalar() { return kernel_table(IsaLevel::kScalar); }

// The experts of row 0 and their weights, by what choose() and group() make of `logits`.
struct Chosen {
  Chosen(const std::vector<float>& logits, size_t used) : routes(logits.size(), used, 1) {
    ok = routes.choose(scalar(), 0, logits.data());
    routes.group(1);
    for (const ExpertRows& rows : routes.groups()) {
      EXPECT_EQ(rows.places.end, rows.places.begin + 1);
      experts.push_back(rows.expert);
      weights.push_back(routes.places()[rows.places.begin].weight);
    }
  }

  ExpertRoutes routes;
  bool ok = false;
  std::vector<size_t> experts;
  std::vector<float> weights;
};

TEST(ExpertRoutes, TakesTheLargestAndOfEqualOnesTheFirst) {
  EXPECT_THAT(Chosen({0, 3, 1, 2}, 2).experts, ElementsAre(1, 3));
  EXPECT_THAT(Chosen({5, 4, 3, 2, 1}, 3).experts, ElementsAre(0, 1, 2));
  EXPECT_THAT(Chosen({1, 2, 3, 4, 5}, 3).experts, ElementsAre(2, 3, 4));
  EXPECT_THAT(Chosen({7, 7, 7, 7}, 2).experts, ElementsAre(0, 1));
  EXPECT_THAT(Chosen({1, 2, 2, 2}, 2).experts, ElementsAre(1, 2));
  EXPECT_THAT(Chosen({2, 1, 2, 3, 2}, 3).experts, ElementsAre(0, 2, 3));
  EXPECT_THAT(Chosen({-0.0f, 0.0f, -1}, 1).experts, ElementsAre(0));
  EXPECT_THAT(Chosen({-1, -3, -2}, 3).experts, ElementsAre(0, 1, 2));
}

TEST(ExpertRoutes, WeightsAreTheSoftmaxOverTheChosen) {
  const Chosen chosen({1.0f, -50.0f, 3.0f, 2.5f}, 3);
  const double all = std::exp(1.0) + std::exp(3.0) + std::exp(2.5);
  ASSERT_THAT(chosen.experts, ElementsAre(0, 2, 3));
  EXPECT_NEAR(chosen.weights[0], std::exp(1.0) / all, 1e-6);
  EXPECT_NEAR(chosen.weights[1], std::exp(3.0) / all, 1e-6);
  EXPECT_NEAR(chosen.weights[2], std::exp(2.5) / all, 1e-6);
  EXPECT_THAT(Chosen({4, 9}, 1).weights, ElementsAre(1.0f));
  EXPECT_THAT(Chosen({-3e38f, 3e38f}, 2).weights, ElementsAre(0.0f, 1.0f));
}

TEST(ExpertRoutes, RandomLogitsAgainstAStableSort) {
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    const size_t experts = 1 + random() % 40;
    const size_t used = 1 + random() % experts;
    std::vector<float> logits(experts);
    for (float& logit : logits) {
      logit = static_cast<float>(random() % 9);  // many ties
    }
    std::vector<size_t> order(experts);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    order.resize(used);
    std::sort(order.begin(), order.end());
    EXPECT_EQ(Chosen(logits, used).experts, order);
  }
}

TEST(ExpertRoutes, ALogitThatIsNotFiniteIsSaid) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), HUGE_VALF, -HUGE_VALF}) {
    for (size_t at = 0; at < 4; ++at) {
      std::vector<float> logits = {4, 3, 2, 1};
      logits[at] = bad;
      const Chosen chosen(logits, 2);
      EXPECT_FALSE(chosen.ok);
      EXPECT_EQ(chosen.experts.size(), 2u);  // some, so that the pass ends
    }
  }
  EXPECT_TRUE(Chosen({4, 3, 2, 1}, 2).ok);
}

TEST(ExpertRoutes, RowsOfAnExpertLieSideBySideInOrder) {
  constexpr size_t kExperts = 6;
  constexpr size_t kUsed = 3;
  constexpr size_t kRows = 20;
  std::mt19937 random(5);
  ExpertRoutes routes(kExperts, kUsed, kRows);
  for (const size_t rows : {kRows, size_t{1}, size_t{7}}) {  // a smaller pass leaves nothing of a larger
    std::vector<std::vector<float>> logits(rows, std::vector<float>(kExperts));
    for (size_t row = 0; row < rows; ++row) {
      for (float& logit : logits[row]) {
        logit = static_cast<float>(random() % 1000);
      }
      EXPECT_TRUE(routes.choose(scalar(), row, logits[row].data()));
    }
    routes.group(rows);
    ASSERT_EQ(routes.places().size(), rows * kUsed);
    size_t next = 0;
    std::vector<std::vector<size_t>> experts_of(rows);
    std::vector<double> weight_of(rows);
    for (const ExpertRows& group : routes.groups()) {
      EXPECT_EQ(group.places.begin, next);
      EXPECT_LT(group.places.begin, group.places.end);
      next = group.places.end;
      for (size_t p = group.places.begin; p < group.places.end; ++p) {
        const ExpertPlace place = routes.places()[p];
        EXPECT_TRUE(p == group.places.begin || routes.places()[p - 1].row < place.row);
        experts_of[place.row].push_back(group.expert);
        weight_of[place.row] += place.weight;
      }
    }
    EXPECT_EQ(next, rows * kUsed);
    for (size_t row = 0; row < rows; ++row) {
      EXPECT_EQ(experts_of[row], Chosen(logits[row], kUsed).experts);
      EXPECT_NEAR(weight_of[row], 1.0, 1e-6);
    }
  }
}

}  // namespace
}  // namespace rotor
