// SPDX-License-Identifier: Apache-2.0
// The two-stage head against the full one: the same bits for every token that was asked for, over
// random heads and such as make bounds useless; and what it refuses to answer.
#include "device/cpu/two_stage_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
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
    Floats sorted = expected;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    const float least = sorted[std::min(query.count, sorted.size()) - 1] - query.below;
    std::vector<bool> found(expected.size());
    TokenId before = -1;
    for (const TokenLogit& entry : two_stage_->logits(i)) {
      EXPECT_GT(entry.token, before);
      before = entry.token;
      EXPECT_EQ(entry.logit, expected[static_cast<size_t>(entry.token)]);
      found[static_cast<size_t>(entry.token)] = true;
    }
    for (size_t token = 0; token < expected.size(); ++token) {
      const bool asked = std::count(query.also.begin(), query.also.end(), token) != 0;
      EXPECT_TRUE(found[token] || (expected[token] < least && !asked)) << "token " << token;
    }
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
  EXPECT_EQ(heads.two_stage().counts().rows, 1u);
  EXPECT_EQ(heads.two_stage().counts().unanswered, 0u);
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
    heads.check({x, twin, x}, {{1, {}}, {2, {}}, {30, {1, 2}}});
  }
  EXPECT_EQ(heads.two_stage().counts().rows, 60u);
  EXPECT_LT(heads.two_stage().counts().unanswered, 30u);
}

TEST(TwoStageHead, LeavesEqualRowsToTheFullHead) {
  const Floats w(64, 0.5f);
  Heads heads(5000, 64, [&](size_t) { return w; });
  ASSERT_TRUE(heads.run({w}, {{1, {}}}).ok());
  EXPECT_FALSE(heads.two_stage().answered(0));  // 5000 tokens are the most likely one
  EXPECT_EQ(heads.two_stage().counts().unanswered, 1u);
}

TEST(TwoStageHead, LeavesWhatHasNoBoundToTheFullHead) {
  std::mt19937 random(2);
  Heads heads(500, 64, [&](size_t) { return normal_floats(64, random); });
  const Floats good = normal_floats(64, random);
  for (const float bad : {std::numeric_limits<float>::infinity(), std::nanf(""), 1e30f}) {
    Floats x = good;
    x[63] = bad;
    ASSERT_TRUE(heads.run({x, good}, {{1, {}}, {1, {}}}).ok());
    EXPECT_FALSE(heads.two_stage().answered(0)) << bad;
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
