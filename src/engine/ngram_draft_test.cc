// SPDX-License-Identifier: Apache-2.0
// Drafts from repeated text: the last occurrence, the longer match, running on into itself.
#include "engine/ngram_draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Match = NgramDraft::Match;
using Tokens = std::vector<TokenId>;

TEST(NgramDraft, NothingRepeatsNothingIsDrafted) {
  NgramDraft draft;
  EXPECT_EQ(draft.propose(Tokens{1}, 4), Match::kNone);
  EXPECT_EQ(draft.propose(Tokens{1, 2, 3, 4, 5}, 4), Match::kNone);
  EXPECT_THAT(draft.tokens(), IsEmpty());
}

TEST(NgramDraft, ProposesWhatFollowedTheLastTime) {
  NgramDraft draft;
  EXPECT_EQ(draft.propose(Tokens{1, 2, 7, 1, 2, 8, 9, 5, 1, 2}, 3), Match::kShort);
  EXPECT_THAT(draft.tokens(), ElementsAre(8, 9, 5));
}

TEST(NgramDraft, ALongMatchWinsOverALaterShortOne) {
  NgramDraft draft;
  const Tokens history = {1, 2, 3, 4, 50, 51, 9, 3, 4, 60, 61, 1, 2, 3, 4};
  EXPECT_EQ(draft.propose(history, 2), Match::kLong);
  EXPECT_THAT(draft.tokens(), ElementsAre(50, 51));
}

TEST(NgramDraft, RunsOnIntoItself) {
  NgramDraft draft;
  EXPECT_EQ(draft.propose(Tokens{5, 6, 7, 5, 6, 7, 5}, 8), Match::kLong);
  EXPECT_THAT(draft.tokens(), ElementsAre(6, 7, 5, 6, 7, 5, 6, 7));
}

TEST(NgramDraft, NoneOfNothing) {
  NgramDraft draft;
  EXPECT_EQ(draft.propose(Tokens{1, 2, 3, 1, 2}, 0), Match::kNone);
  EXPECT_THAT(draft.tokens(), IsEmpty());
}

// A history that grows token by token against a search from its end.
TEST(NgramDraft, FindsWhatASearchFinds) {
  std::mt19937 random(3);
  NgramDraft draft;
  Tokens history;
  for (int i = 0; i < 600; ++i) {
    history.push_back(static_cast<TokenId>(random() % 4));
    size_t place = 0;
    Match expected = Match::kNone;
    for (const size_t length : {NgramDraft::kLong, NgramDraft::kShort}) {
      for (size_t end = history.size() - 1; place == 0 && end >= length; --end) {
        if (std::equal(history.end() - static_cast<ptrdiff_t>(length), history.end(),
                       history.begin() + static_cast<ptrdiff_t>(end - length))) {
          place = end;
          expected = length == NgramDraft::kLong ? Match::kLong : Match::kShort;
        }
      }
    }
    ASSERT_EQ(draft.propose(history, 1), expected) << i;
    if (expected != Match::kNone) {
      EXPECT_EQ(draft.tokens()[0], history[place]) << i;
    }
  }
}

}  // namespace
}  // namespace rotor
