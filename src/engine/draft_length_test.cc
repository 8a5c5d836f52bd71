// SPDX-License-Identifier: Apache-2.0
// The length of a draft follows what is drawn and what passes cost.
#include "engine/draft_length.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

using Match = NgramDraft::Match;

void check(DraftLength& length, Match match, bool drawn, int times) {
  for (int i = 0; i < times; ++i) {
    length.checked(match, drawn);
  }
}

TEST(DraftLength, NothingBeforeAPassWasMeasured) {
  DraftLength length;
  EXPECT_EQ(length.choose(Match::kLong, 15), 0u);
  length.measured(1, 0.1);
  EXPECT_GT(length.choose(Match::kLong, 15), 0u);
  EXPECT_EQ(length.choose(Match::kNone, 15), 0u);
  EXPECT_EQ(length.choose(Match::kLong, 0), 0u);
}

TEST(DraftLength, GrowsAndShrinksWithWhatIsDrawn) {
  DraftLength length;
  length.measured(1, 0.1);
  check(length, Match::kLong, true, 100);
  EXPECT_EQ(length.choose(Match::kLong, 15), DraftLength::kMost);
  EXPECT_EQ(length.choose(Match::kLong, 100), DraftLength::kMost);
  EXPECT_EQ(length.choose(Match::kLong, 3), 3u);
  check(length, Match::kLong, false, 100);
  EXPECT_EQ(length.choose(Match::kLong, 15), 0u);
  check(length, Match::kLong, true, 100);  // checked without being computed
  EXPECT_EQ(length.choose(Match::kLong, 15), DraftLength::kMost);
}

TEST(DraftLength, MatchesAreFollowedApart) {
  DraftLength length;
  length.measured(1, 0.1);
  check(length, Match::kShort, false, 100);
  check(length, Match::kLong, true, 100);
  EXPECT_EQ(length.choose(Match::kShort, 15), 0u);
  EXPECT_GT(length.choose(Match::kLong, 15), 0u);
}

TEST(DraftLength, PassesThatCostMoreThanTheyBringAreNotTried) {
  DraftLength length;
  length.measured(1, 0.1);
  check(length, Match::kLong, true, 100);
  EXPECT_EQ(length.choose(Match::kLong, 15), DraftLength::kMost);
  length.measured(16, 1.6);  // a row costs as much as a pass of its own
  EXPECT_EQ(length.choose(Match::kLong, 15), 0u);
}

TEST(DraftLength, StopsWhereTheNextRowCostsTooMuch) {
  DraftLength length;
  length.measured(1, 0.1);
  length.measured(4, 0.11);
  length.measured(5, 0.5);  // another kernel takes over
  length.measured(16, 0.6);
  check(length, Match::kLong, true, 5);
  EXPECT_EQ(length.choose(Match::kLong, 15), 3u);
}

}  // namespace
}  // namespace rotor
