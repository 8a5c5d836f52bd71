// SPDX-License-Identifier: Apache-2.0
// The two-stage head against the full one: the same bits for every token that was asked for, over
// random heads and such as make bounds useless; and what it refuses to answer.
#include "device/cpu/two_stage_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include "model/test_model.h"

namespace rotor {
namespace {

using Floats = std::vector<float>;

// A head of binary32 rows, its plane, and both ways to its logits.
class Heads {
 public:
  Heads(size_t rows, size_t cols, const std::function<Floats(size_t row)>& row_of, size_t threads = 2)
      : pool_(threads), kernels_(kernel_table(*selected_isa())) {
    head_.type = FloatType::kF32;
    head_.rows = rows;
    head_.cols = cols;
    head_.data = std::move(*Buffer::allocate(rows * cols * sizeof(float)));
    plane_ = std::move(*HeadPlane::allocate(rows, cols));
    for (size_t r = 0; r < rows; ++r) {
      const Floats values = row_of(r);
      std::copy(values.begin(), values.end(), head_.data.as<float>().data() + r * cols);
      EXPECT_TRUE(plane_.fill_row(r, values.data()));
    }
    two_stage_ = std::move(*TwoStageHead::create(head_, plane_, kernels_, 8, threads));
  }

  Floats full(const Floats& x) const {
    Floats logits(head_.rows);
    kernels_.dot_rows_f32({head_.data.data(), head_.rows, head_.cols, x.data(), head_.cols, 1,
                           logits.data(), head_.rows});
    return logits;
  }

  Status run(const std::vector<Floats>& x, const std::vector<TopQuery>& queries) {
    upper_.assign(x.size(), Floats(head_.rows));
    std::vector<TwoStageRow> rows;
    for (size_t i = 0; i < x.size(); ++i) {
      rows.push_back({x[i].data(), &queries[i], upper_[i].data()});
    }
    return two_stage_->run(pool_, rows);
  }

  // Bounds are bounds. In an answer, every token the query asked for has the bits of the full head,
  // and none is missing.
  void expect_exact(size_t i, const Floats& x, const TopQuery& query) {
    const Floats expected = full(x);
    for (size_t token = 0; token < expected.size(); ++token) {
      EXPECT_LE(expected[token], upper_[i][token]) << "the bound of token " << token;
    }
    if (!two_stage_->answered(i)) {
      return;
    }
    const std::vector<bool> asked = asked_for(expected, query);
    std::vector<bool> found(expected.size());
    TokenId before = -1;
    for (const TokenLogit& entry : two_stage_->logits(i)) {
      EXPECT_GT(entry.token, before);
      before = entry.token;
      EXPECT_EQ(entry.logit, expected[static_cast<size_t>(entry.token)]);
      found[static_cast<size_t>(entry.token)] = true;
    }
    for (size_t token = 0; token < expected.size(); ++token) {
      EXPECT_TRUE(found[token] || !asked[token]) << "token " << token;
    }
  }

  // By token.
  static std::vector<bool> asked_for(const Floats& logits, const TopQuery& query) {
    std::vector<bool> asked(logits.size());
    for (const TokenId token : query.also) {
      asked[static_cast<size_t>(token)] = true;
    }
    if (query.draw) {
      std::vector<double> scores(logits.size(), -INFINITY);
      for (size_t token = 0; token < logits.size(); ++token) {
        if (!asked[token]) {
          const uint64_t bits = gumbel_bits(query.draw->key, static_cast<TokenId>(token));
          scores[token] = draw_score(logits[token], query.draw->temperature, gumbel_from_bits(bits));
        }
      }
      const double best = *std::max_element(scores.begin(), scores.end());
      for (size_t token = 0; token < logits.size(); ++token) {
        asked[token] = asked[token] || scores[token] == best;
      }
      return asked;
    }
    Floats sorted = logits;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const float least = sorted[std::min(query.count, sorted.size()) - 1] - query.below;
    for (size_t token = 0; token < logits.size(); ++token) {
      asked[token] = asked[token] || logits[token] >= least;
    }
    return asked;
  }

  void check(const std::vector<Floats>& x, const std::vector<TopQuery>& queries) {
    const Status status = run(x, queries);
    ASSERT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < x.size(); ++i) {
      SCOPED_TRACE(i);
      expect_exact(i, x[i], queries[i]);
    }
  }

  FloatMatrix& head() { return head_; }
  TwoStageHead& two_stage() { return *two_stage_; }

 private:
  ThreadPool pool_;
  const KernelTable& kernels_;
  FloatMatrix head_;
  HeadPlane plane_;
  std::unique_ptr<TwoStageHead> two_stage_;
  std::vector<Floats> upper_;
};

Floats normal_floats(size_t n, std::mt19937& random, float size = 1) {
  std::normal_distribution<float> normal;
  Floats values(n);
  for (float& value : values) {
    value = normal(random) * size;
  }
  return values;
}

TEST(TwoStageHead, EqualsTheFullHeadOnRandomRows) {
  for (const size_t cols : {size_t{5}, size_t{64}, size_t{384}}) {
    for (const size_t threads : {size_t{1}, size_t{2}, size_t{5}}) {
      std::mt19937 random(static_cast<uint32_t>(cols));
      Heads heads(3001, cols, [&](size_t) { return normal_floats(cols, random, 0.02f); }, threads);
      std::vector<Floats> x;
      std::vector<TopQuery> queries;
      for (const size_t count : {1, 2, 40, 100}) {
        x.push_back(normal_floats(cols, random, 3));
        queries.push_back({count, {0, 7, 3000}});
        x.push_back(normal_floats(cols, random, 1e-3f));
        queries.push_back({count, {}, 2e-6f});
      }
      heads.check(x, queries);
      EXPECT_EQ(heads.two_stage().counts().unanswered, 0u);
    }
  }
}

TEST(TwoStageHead, ReadsFewRowsOfALargeHead) {
  std::mt19937 random(3);
  Heads heads(8000, 512, [&](size_t) { return normal_floats(512, random); });
  heads.check({normal_floats(512, random)}, {{1, {}, 5.0f}});
  EXPECT_LT(heads.two_stage().counts().rescored, 100u);
  EXPECT_LT(heads.two_stage().counts().refined, 4000u);
  EXPECT_EQ(heads.two_stage().counts().rows, 1u);
  EXPECT_EQ(heads.two_stage().counts().unanswered, 0u);
}

TopQuery draw_at(double temperature, uint32_t position, std::vector<TokenId> also = {}) {
  return {0, std::move(also), 0, TokenDraw{{99, 1, position}, temperature}};
}

TEST(TwoStageHead, ADrawFallsOnTheTokenOfTheFullHead) {
  constexpr double kTiniest = std::numeric_limits<float>::denorm_min();
  constexpr double kLargest = std::numeric_limits<float>::max();
  for (const size_t cols : {size_t{5}, size_t{384}}) {
    for (const size_t threads : {size_t{1}, size_t{2}, size_t{5}}) {
      std::mt19937 random(static_cast<uint32_t>(cols));
      Heads heads(3001, cols, [&](size_t) { return normal_floats(cols, random, 0.1f); }, threads);
      for (uint32_t position = 0; position < 40; position += 2) {
        const Floats x = normal_floats(cols, random, 1);
        std::vector<TopQuery> queries;
        for (const double temperature : {kTiniest, 0.01, 0.3, 1.0, 3.0, kLargest}) {
          queries.push_back(draw_at(temperature, position));
        }
        queries.push_back(draw_at(0.8, position + 1, {0, 7, 1500, 3000}));
        queries.push_back({3, {1}});  // beside another kind
        heads.check(std::vector<Floats>(queries.size(), x), queries);
      }
      EXPECT_EQ(heads.two_stage().counts().unanswered, 0u);
      EXPECT_LT(heads.two_stage().counts().rescored, 10 * heads.two_stage().counts().rows);
    }
  }
}

// What the query's other tokens would win rules nothing out: they may be banned before the draw.
TEST(TwoStageHead, ADrawLooksBehindTokensThatMayChange) {
  constexpr size_t kCols = 64;
  std::mt19937 random(5);
  Heads heads(1000, kCols, [&](size_t) { return normal_floats(kCols, random); });
  std::vector<TokenId> also;
  for (uint32_t round = 0; round < 40; ++round) {
    const Floats x = normal_floats(kCols, random, 0.1f);
    heads.check({x}, {draw_at(0.9, 3, also)});
    ASSERT_TRUE(heads.two_stage().answered(0));
    for (const TokenLogit& entry : heads.two_stage().logits(0)) {
      if (!std::binary_search(also.begin(), also.end(), entry.token)) {
        also.insert(std::upper_bound(also.begin(), also.end(), entry.token), entry.token);
      }
    }
  }
  EXPECT_GE(also.size(), 30u);
  also.resize(62);  // with the one drawn as many as may be asked for
  std::iota(also.begin(), also.end(), 0);
  Heads few(62, kCols, [&](size_t) { return normal_floats(kCols, random); });
  few.check({normal_floats(kCols, random)}, {draw_at(1, 0, also)});  // none is left to draw from
  EXPECT_EQ(few.two_stage().logits(0).size(), 62u);
}

// Rows with outliers, which make the steps of the plane coarse; rows of zeros; ties.
TEST(TwoStageHead, EqualsTheFullHeadOnAwkwardRows) {
  constexpr size_t kCols = 96;
  std::mt19937 random(11);
  Floats twin = normal_floats(kCols, random);
  Heads heads(1500, kCols, [&](size_t r) {
    Floats w = normal_floats(kCols, random);
    if (r % 7 == 0) {
      w[r % kCols] = 100;
    }
    if (r % 11 == 0) {
      std::fill(w.begin(), w.end(), 0.0f);
    }
    return r == 200 || r == 700 || r == 1400 ? twin : w;
  });
  for (int i = 0; i < 20; ++i) {
    Floats x = normal_floats(kCols, random);
    x[static_cast<size_t>(i)] *= 200;  // an outlier here, too
    const uint32_t position = static_cast<uint32_t>(i);
    heads.check({x, twin, x, x, twin, twin},
                {{1, {}}, {2, {}}, {30, {1, 2}}, draw_at(1, position), draw_at(1e-40, position),
                 draw_at(30, position)});
  }
  EXPECT_EQ(heads.two_stage().counts().rows, 120u);
  EXPECT_LT(heads.two_stage().counts().unanswered, 60u);
}

TEST(TwoStageHead, LeavesEqualRowsToTheFullHead) {
  const Floats w(64, 0.5f);
  Heads heads(5000, 64, [&](size_t) { return w; });
  ASSERT_TRUE(heads.run({w}, {{1, {}}}).ok());
  EXPECT_FALSE(heads.two_stage().answered(0));  // 5000 tokens are the most likely one
  EXPECT_EQ(heads.two_stage().counts().unanswered, 1u);
  ASSERT_TRUE(heads.run({w}, {draw_at(1e-40, 0)}).ok());  // the noise is lost in rounding
  EXPECT_FALSE(heads.two_stage().answered(0));
  heads.check({w}, {draw_at(1, 0)});  // the noise alone decides
  EXPECT_TRUE(heads.two_stage().answered(0));
  EXPECT_LT(heads.two_stage().logits(0).size(), 10u);
}

TEST(TwoStageHead, LeavesWhatHasNoBoundToTheFullHead) {
  std::mt19937 random(2);
  Heads heads(500, 64, [&](size_t) { return normal_floats(64, random); });
  const Floats good = normal_floats(64, random);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf(""), 1e30f}) {
    Floats x = good;
    x[63] = bad;
    ASSERT_TRUE(heads.run({x, good, x}, {{1, {}}, {1, {}}, draw_at(1, 0)}).ok());
    EXPECT_FALSE(heads.two_stage().answered(0)) << bad;
    EXPECT_FALSE(heads.two_stage().answered(2)) << bad;
    heads.expect_exact(1, good, {1, {}});
  }
  ASSERT_TRUE(heads.run({Floats(64)}, {{1, {}}}).ok());
  EXPECT_FALSE(heads.two_stage().answered(0));
  ASSERT_TRUE(heads.run({good}, {{400, {}}}).ok());  // nearly all: the full head is cheaper
  EXPECT_FALSE(heads.two_stage().answered(0));
}

TEST(TwoStageHead, ARowThatChangedIsAnError) {
  std::mt19937 random(8);
  Heads heads(500, 64, [&](size_t) { return normal_floats(64, random); });
  const Floats x = normal_floats(64, random);
  heads.check({x}, {{1, {}}});
  for (float& value : heads.head().data.as<float>()) {
    value *= -1;
  }
  EXPECT_EQ(heads.run({x}, {{1, {}}}).code(), Code::kVerificationFailed);
}

class BrokenRows final : public FloatReader {
 public:
  Status read(size_t, size_t, std::byte*) const override { return io_error("gone"); }
};

TEST(TwoStageHead, ARowThatCannotBeReadIsAnError) {
  std::mt19937 random(8);
  Heads heads(500, 64, [&](size_t) { return normal_floats(64, random); });
  heads.head().file = std::make_shared<BrokenRows>();
  EXPECT_EQ(heads.run({normal_floats(64, random)}, {{1, {}}}).code(), Code::kIoError);
}

}  // namespace
}  // namespace rotor
