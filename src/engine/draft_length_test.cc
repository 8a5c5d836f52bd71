// SPDX-License-Identifier: Apache-2.0
// The lengths of drafts follow what is drawn and what passes cost.
#include "engine/draft_length.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace rotor {
namespace {

constexpr size_t kShort = 2;
constexpr size_t kLong = NgramDraft::kLongest;

// Of one answer.
size_t choose(DraftLength& length, size_t match, size_t most, size_t most_rows = 100) {
  DraftLength::Draft draft{match, most};
  length.choose({&draft, 1}, most_rows);
  return draft.count;
}

void check(DraftLength& length, size_t match, bool drawn, int times = 100) {
  for (int i = 0; i < times; ++i) {
    length.checked(match, drawn);
  }
}

// Passes that cost `row` more for each row.
void measure_all(DraftLength& length, double row) {
  for (size_t rows = 1; rows <= DraftLength::kMostRows; ++rows) {
    length.measured(rows, 0.1 * (1 + row * static_cast<double>(rows - 1)));
  }
}

TEST(DraftLength, NothingBeforeAPassWasMeasured) {
  DraftLength length;
  EXPECT_EQ(choose(length, kLong, 15), 0u);
  length.measured(1, 0.1);
  EXPECT_GT(choose(length, kLong, 15), 0u);
  EXPECT_EQ(choose(length, kLong, 0), 0u);
}

TEST(DraftLength, PassesGrowToTwiceTheLargest) {
  DraftLength length;
  check(length, kLong, true);
  for (const size_t rows : {1, 2, 4, 8, 16}) {
    length.measured(rows, 0.1);
    EXPECT_EQ(choose(length, kLong, 100), 2 * rows - 1);
  }
  length.measured(32, 0.1);
  EXPECT_EQ(choose(length, kLong, 100), DraftLength::kMost);
}

TEST(DraftLength, GrowsAndShrinksWithWhatIsDrawn) {
  DraftLength length;
  measure_all(length, 0.02);
  check(length, kLong, true);
  EXPECT_EQ(choose(length, kLong, DraftLength::kMost), DraftLength::kMost);
  EXPECT_EQ(choose(length, kLong, 3), 3u);
  EXPECT_EQ(choose(length, kLong, 31, 6), 5u);
  check(length, kLong, false);
  EXPECT_EQ(choose(length, kLong, 15), 0u);
  check(length, kLong, true);  // checked without being computed
  EXPECT_EQ(choose(length, kLong, 15), 15u);
}

TEST(DraftLength, MatchesAreFollowedApart) {
  DraftLength length;
  measure_all(length, 0.02);
  check(length, kShort, false);
  check(length, kLong, true);
  EXPECT_EQ(choose(length, kShort, 15), 0u);
  EXPECT_GT(choose(length, kLong, 15), 0u);
}

TEST(DraftLength, WhatRowsCostSoFarIsHeldAgainstMore) {
  DraftLength length;
  check(length, kLong, true, 10);
  length.measured(1, 0.1);
  length.measured(2, 0.2);
  length.measured(4, 0.4);
  EXPECT_EQ(choose(length, kLong, 31), 7u);  // half as much a row would pay, with all drawn
  length.measured(8, 0.8);
  check(length, kLong, false, 3);
  EXPECT_EQ(choose(length, kLong, 31), 0u);
}

TEST(DraftLength, AMatchGrowsWithTheDraft) {
  DraftLength length;
  measure_all(length, 0.3);
  for (const size_t match : {2, 4}) {
    check(length, match, true);
  }
  for (const size_t match : {8, 16}) {
    check(length, match, false);
  }
  EXPECT_EQ(choose(length, 5, 15), 3u);  // as matches of 5, 6 and 7 tokens
  EXPECT_EQ(choose(length, 2, 15), 6u);
}

TEST(DraftLength, PassesThatCostMoreThanTheyBringAreNotTried) {
  DraftLength length;
  measure_all(length, 1);  // a row costs as much as a pass of its own
  check(length, kLong, true);
  EXPECT_EQ(choose(length, kLong, 15), 0u);
}

TEST(DraftLength, StopsWhereTheNextRowCostsTooMuch) {
  DraftLength length;
  length.measured(1, 0.1);
  length.measured(4, 0.11);
  length.measured(5, 0.5);  // another kernel takes over
  length.measured(16, 0.6);
  EXPECT_EQ(choose(length, 8, 15), 3u);
}

TEST(DraftLength, FewerRowsTakeNoLonger) {
  DraftLength length;
  check(length, kLong, true);
  length.measured(1, 0.1);
  length.measured(2, 1.0);  // something else took the time
  EXPECT_EQ(choose(length, kLong, 31), 0u);
  length.measured(4, 0.11);
  EXPECT_EQ(choose(length, kLong, 31), 7u);
}

// Passes without drafts until what drafts cost is measured anew.
size_t declined(DraftLength& length) {
  size_t passes = 0;
  while (choose(length, kLong, 31) == 0 && passes < 1000) {
    ++passes;
  }
  return passes;
}

TEST(DraftLength, CostsAreMeasuredAnewEverLater) {
  DraftLength length;
  check(length, kLong, true);
  length.measured(1, 0.1);
  for (const size_t passes : {4, 8, 16, 32, 64, 128, 256, 256}) {
    length.measured(2, 1.0);
    EXPECT_EQ(declined(length), passes);
  }
}

TEST(DraftLength, CostsAreMeasuredAnewSoonAfterDraftsHavePaid) {
  DraftLength length;
  check(length, kLong, true);
  length.measured(1, 0.1);
  length.measured(2, 1.0);
  declined(length);
  measure_all(length, 0.01);
  EXPECT_GT(choose(length, kLong, 31), 0u);
  measure_all(length, 10);  // something else takes the time
  EXPECT_EQ(declined(length), 4u);
}

TEST(DraftLength, RowsGoToTheAnswersThatGainMost) {
  DraftLength length;
  for (size_t rows = 1; rows <= DraftLength::kMostRows; ++rows) {
    length.measured(rows, rows <= 10 ? 0.1 : 10);  // seven rows for three answers
  }
  check(length, kLong, true);
  check(length, kShort, false);
  check(length, 4, true, 5);
  check(length, 8, true);
  std::vector<DraftLength::Draft> drafts = {{kShort, 31}, {kLong, 3}, {4, 31}};
  length.choose(drafts, 100);
  EXPECT_EQ(drafts[0].count, 0u);
  EXPECT_EQ(drafts[1].count, 3u);
  EXPECT_EQ(drafts[2].count, 4u);
}

// Against every choice of counts.
TEST(DraftLength, NoOtherLengthsPromiseMore) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    DraftLength length;
    std::array<double, 6> share = {0.15, 0.3, 0.35, 0.6, 0.8, 0.9};
    for (int i = 0; i < 60; ++i) {
      const size_t kind = random() % 6;
      const bool drawn = random() % 3 != 0;
      length.checked(size_t{1} << kind >> 1, drawn);
      share[kind] += ((drawn ? 1 : 0) - share[kind]) / 16;
    }
    std::array<double, 33> cost = {0, 1};
    for (size_t rows = 2; rows <= 32; ++rows) {
      cost[rows] = cost[rows - 1] + static_cast<double>(random() % 100) / 300;
    }
    for (size_t rows = 1; rows <= 32; ++rows) {
      length.measured(rows, cost[rows]);
    }
    const auto expected = [&](size_t match, size_t count) {
      double tokens = 1;
      double chance = 1;
      for (size_t i = 0; i < count; ++i) {
        const size_t kind = std::bit_width(std::min<size_t>(match + i, 16));
        chance *= share[kind];
        tokens += chance;
      }
      return tokens;
    };
    std::vector<DraftLength::Draft> drafts = {{random() % 20, random() % 8},
                                              {random() % 20, random() % 8}};
    length.choose(drafts, 14);
    const auto rate = [&](size_t a, size_t b) {
      return (expected(drafts[0].match, a) + expected(drafts[1].match, b)) / cost[2 + a + b];
    };
    double best = 1.05 * rate(0, 0);
    bool drafted = false;
    for (size_t a = 0; a <= drafts[0].most; ++a) {
      for (size_t b = 0; b <= drafts[1].most && 2 + a + b <= 14; ++b) {
        drafted = drafted || (a + b > 0 && rate(a, b) > best);
        best = std::max(best, a + b > 0 ? rate(a, b) : 0);
      }
    }
    EXPECT_EQ(drafts[0].count + drafts[1].count > 0, drafted) << round;
    if (drafted) {
      EXPECT_NEAR(rate(drafts[0].count, drafts[1].count), best, 1e-9) << round;
    }
  }
}

TEST(DraftLength, ManyAnswersAreNotDraftedFor) {
  for (const size_t answers : {16, 31, 32, 33, 256}) {
    DraftLength length;
    check(length, kLong, true);
    length.measured(answers, 0.1);
    std::vector<DraftLength::Draft> drafts(answers, {kLong, 31});
    length.choose(drafts, 1000);
    size_t count = 0;
    for (const DraftLength::Draft& draft : drafts) {
      count += draft.count;
    }
    // One row more than 31 cannot bring 5 %.
    EXPECT_EQ(count, answers == 16 ? DraftLength::kMostRows - 16 : 0) << answers;
  }
}

}  // namespace
}  // namespace rotor
