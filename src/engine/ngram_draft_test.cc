// SPDX-License-Identifier: Apache-2.0
// Drafts from repeated text: the longest match, the last place, or the one near a copy; running on
// into itself; and that a token takes no memory.
#include "engine/ngram_draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/counting_new.h"
#include "engine/draft_length.h"

namespace rotor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Tokens = std::vector<TokenId>;

struct Proposal {
  Tokens tokens;
  size_t match;
};

Proposal propose(NgramDraft& draft, const Tokens& history, size_t count) {
  draft.propose(history, count);
  return {Tokens(draft.tokens().begin(), draft.tokens().end()), draft.match()};
}

Proposal propose(const Tokens& history, size_t count) {
  NgramDraft draft(100);
  return propose(draft, history, count);
}

TEST(NgramDraft, NothingRepeatsNothingIsDrafted) {
  NgramDraft draft(100);
  EXPECT_THAT(propose(draft, {1}, 4).tokens, IsEmpty());
  EXPECT_THAT(propose(draft, {1, 2, 3, 4, 5}, 4).tokens, IsEmpty());
  EXPECT_THAT(propose(draft, {1, 2, 3, 4, 5, 3}, 4).tokens, IsEmpty());
}

TEST(NgramDraft, ProposesWhatFollowedTheLastTime) {
  const Proposal proposal = propose({1, 2, 7, 6, 1, 2, 8, 9, 5, 1, 2}, 3);
  EXPECT_THAT(proposal.tokens, ElementsAre(8, 9, 5));
  EXPECT_EQ(proposal.match, 2u);
}

TEST(NgramDraft, ALongMatchWinsOverALaterShortOne) {
  const Proposal proposal = propose({1, 2, 3, 4, 50, 51, 9, 3, 4, 60, 61, 1, 2, 3, 4}, 2);
  EXPECT_THAT(proposal.tokens, ElementsAre(50, 51));
  EXPECT_EQ(proposal.match, 4u);
}

TEST(NgramDraft, RunsOnIntoItself) {
  EXPECT_THAT(propose({5, 6, 7, 5, 6, 7, 5}, 8).tokens, ElementsAre(6, 7, 5, 6, 7, 5, 6, 7));
}

TEST(NgramDraft, NoneOfNothing) {
  EXPECT_THAT(propose({1, 2, 3, 1, 2}, 0).tokens, IsEmpty());
}

// 1 2 3 4 5 6 7 8 9, then the same with 40 in place of 5: after it the copy goes on with 6.
TEST(NgramDraft, GoesOnAfterAWordWasReplaced) {
  NgramDraft draft(100);
  Tokens history = {1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 1, 2, 3, 4};
  EXPECT_THAT(propose(draft, history, 2).tokens, ElementsAre(5, 6));
  history.push_back(40);
  const Proposal proposal = propose(draft, history, 3);
  EXPECT_THAT(proposal.tokens, ElementsAre(6, 7, 8));
  EXPECT_EQ(proposal.match, 0u);
  history.push_back(6);
  EXPECT_EQ(propose(draft, history, 3).match, 1u);
}

// The second paragraph is copied; what it shares with the others does not lead away from it.
TEST(NgramDraft, OfEqualMatchesTheOneNearTheCopy) {
  NgramDraft draft(100);
  Tokens history = {1,  2,  11, 80, 81, 3, 4,  21, 1,  2, 12, 82, 83,
                    3,  4,  22, 1,  2,  13, 84, 85, 3, 4,  23, 99};
  for (const TokenId token : {12, 82, 83}) {  // the second paragraph's own words
    history.push_back(token);
  }
  EXPECT_THAT(propose(draft, history, 2).tokens, ElementsAre(3, 4));
  history.insert(history.end(), {50, 3, 4});  // a word more than there
  EXPECT_THAT(propose(draft, history, 1).tokens, ElementsAre(22));
}

// A history that grows token by token against a search over all of it, which knows more than 16 places
// only where 16 are enough.
TEST(NgramDraft, FindsTheLongestMatch) {
  std::mt19937 random(3);
  NgramDraft draft(600);
  Tokens history;
  size_t found = 0;
  for (int i = 0; i < 600; ++i) {
    history.push_back(static_cast<TokenId>(random() % 12));
    draft.propose(history, 3);
    size_t longest = 0;
    for (size_t place = 1; place < history.size(); ++place) {
      size_t match = 0;
      while (match < std::min<size_t>(place, 16) &&
             history[place - 1 - match] == history[history.size() - 1 - match]) {
        ++match;
      }
      longest = std::max(longest, match);
    }
    if (longest >= NgramDraft::kShortest) {
      ASSERT_EQ(draft.match(), longest) << i;
      ASSERT_EQ(draft.tokens().size(), 3u);
      ++found;
    }
  }
  EXPECT_GT(found, 300u);
}

TEST(NgramDraft, OneTokenAgainAndAgain) {
  NgramDraft draft(10);  // longer than was said
  Tokens history(5000, -1);
  draft.propose(history, 4);
  EXPECT_EQ(draft.match(), NgramDraft::kLongest);
  EXPECT_THAT(draft.tokens(), ElementsAre(-1, -1, -1, -1));
}

// 32k tokens, every pair of which occurred hundreds of times before.
TEST(NgramDraft, ATokenTakesNoMemory) {
  constexpr size_t kTokens = 32768;
  std::mt19937 random(5);
  Tokens history;
  history.reserve(kTokens);
  NgramDraft draft(kTokens);
  DraftLength length;
  length.measured(1, 0.1);
  size_t before = 0;
  size_t drafted = 0;
  while (history.size() < kTokens) {
    history.push_back(static_cast<TokenId>(random() % 9));
    draft.propose(history, DraftLength::kMost);
    DraftLength::Draft choice{draft.match(), draft.tokens().size()};
    length.choose({&choice, 1}, 100);
    length.checked(choice.match, random() % 2 == 0);
    length.measured(1 + choice.count, 0.1);
    drafted += choice.count;
    if (history.size() == 100) {
      before = test::allocations;
    }
  }
  const size_t after = test::allocations;
  EXPECT_GT(before, 0u);
  EXPECT_EQ(after, before);
  EXPECT_GT(drafted, 1000u);
}

}  // namespace
}  // namespace rotor
