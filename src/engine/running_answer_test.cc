// SPDX-License-Identifier: Apache-2.0
// Tokens to events: whole characters, stop strings, and each reason to end.
#include "engine/running_answer.h"

#include <gtest/gtest.h>

#include "engine/test_vocabulary.h"

namespace rotor {
namespace {

class RunningAnswerTest : public ::testing::Test {
 protected:
  RunningAnswerTest() {
    request_.prompt = {kTestA, kTestB};
    request_.end_of_generation = {kTestEnd};
  }

  // The events of accepting `tokens` one after the other while the answer lives.
  void accept(const std::vector<TokenId>& tokens) {
    answer_.emplace(run_, 0, *StopMatcher::create(request_.stop), KvSequence(nullptr));
    for (const TokenId token : tokens) {
      ASSERT_TRUE(answer_->live());
      answer_->accept(token, -0.5);
    }
  }

  GenerationRequest request_;
  std::vector<std::string> texts_;
  std::vector<FinishReason> reasons_;
  GenerationCallback on_event_ = [this](const GenerationEvent& event) {
    texts_.emplace_back(event.text);
    reasons_.push_back(event.finish_reason);
  };
  std::shared_ptr<const Tokenizer> tokenizer_ = test_tokenizer();
  GenerationRun run_{request_, kTestVocab, 100, tokenizer_.get(), on_event_, nullptr};
  std::optional<RunningAnswer> answer_;
};

using Texts = std::vector<std::string>;
using Reasons = std::vector<FinishReason>;

TEST_F(RunningAnswerTest, EndOfGenerationShowsNoText) {
  accept({kTestA, kTestB, kTestEnd});
  EXPECT_EQ(texts_, (Texts{"a", "b", ""}));
  EXPECT_EQ(reasons_,
            (Reasons{FinishReason::kNone, FinishReason::kNone, FinishReason::kEndOfGeneration}));
  const GeneratedAnswer answer = answer_->take();
  EXPECT_EQ(answer.text, "ab");
  EXPECT_EQ(answer.tokens, (std::vector<TokenId>{kTestA, kTestB, kTestEnd}));
}

TEST_F(RunningAnswerTest, AnOrdinaryTokenMayEndGenerationToo) {
  request_.end_of_generation = {kTestB};
  accept({kTestA, kTestB});
  EXPECT_EQ(texts_, (Texts{"a", ""}));
  EXPECT_EQ(reasons_.back(), FinishReason::kEndOfGeneration);
}

TEST_F(RunningAnswerTest, CharactersComeWhole) {
  accept({kTestStart, kTestRest, kTestA});
  EXPECT_EQ(texts_, (Texts{"", "\xE2\x9C\x93", "a"}));
}

TEST_F(RunningAnswerTest, AnUnfinishedCharacterIsReplacedAtTheEnd) {
  accept({kTestA, kTestStart, kTestEnd});
  EXPECT_EQ(texts_, (Texts{"a", "", "\xEF\xBF\xBD"}));
}

TEST_F(RunningAnswerTest, StopStringAcrossTokensIsNeverShown) {
  request_.stop = {"STOP"};
  accept({kTestA, kTestSt, kTestOpRest});
  EXPECT_EQ(texts_, (Texts{"a", "", ""}));
  EXPECT_EQ(reasons_.back(), FinishReason::kStop);
  EXPECT_EQ(answer_->take().text, "a");
}

TEST_F(RunningAnswerTest, WhatOnlyLookedLikeAStopStringIsShown) {
  request_.stop = {"STOP"};
  accept({kTestSt, kTestSt, kTestA});
  EXPECT_EQ(texts_, (Texts{"", "ST", "STa"}));
  EXPECT_TRUE(answer_->live());
}

TEST_F(RunningAnswerTest, HeldBackTextIsShownAtTheEnd) {
  request_.stop = {"STOP"};
  accept({kTestSt, kTestEnd});
  EXPECT_EQ(texts_, (Texts{"", "ST"}));
  EXPECT_EQ(reasons_.back(), FinishReason::kEndOfGeneration);
}

TEST_F(RunningAnswerTest, AReplacedCharacterMayCompleteAStopString) {
  request_.stop = {"a\xEF\xBF\xBD"};
  accept({kTestB, kTestA, kTestStart, kTestEnd});
  EXPECT_EQ(answer_->take().text, "b");
  EXPECT_EQ(reasons_.back(), FinishReason::kStop);
}

TEST_F(RunningAnswerTest, EndsAtTheTokenLimit) {
  request_.max_new_tokens = 2;
  accept({kTestA, kTestB});
  EXPECT_EQ(reasons_, (Reasons{FinishReason::kNone, FinishReason::kLength}));
}

TEST_F(RunningAnswerTest, EndsWhereTheContextIsFull) {
  request_.prompt.assign(98, kTestA);
  accept({kTestA, kTestB});
  EXPECT_EQ(reasons_, (Reasons{FinishReason::kNone, FinishReason::kLength}));
}

TEST_F(RunningAnswerTest, EndWithoutATokenFlushes) {
  accept({kTestA, kTestStart});
  answer_->end(FinishReason::kCancelled);
  EXPECT_EQ(texts_.back(), "\xEF\xBF\xBD");
  EXPECT_EQ(reasons_.back(), FinishReason::kCancelled);
  EXPECT_FALSE(answer_->live());
}

TEST_F(RunningAnswerTest, LogProbabilitiesAreKeptOnRequest) {
  accept({kTestA});
  EXPECT_TRUE(answer_->take().log_probabilities.empty());
  request_.log_probabilities = true;
  accept({kTestA, kTestB});
  EXPECT_EQ(answer_->take().log_probabilities, (std::vector<double>{-0.5, -0.5}));
}

TEST_F(RunningAnswerTest, WithoutATokenizerThereAreTokensOnly) {
  const GenerationRun run{request_, kTestVocab, 100, nullptr, on_event_, nullptr};
  RunningAnswer answer(run, 0, *StopMatcher::create({}), KvSequence(nullptr));
  answer.accept(kTestA, 0);
  answer.accept(kTestEnd, 0);
  EXPECT_EQ(texts_, (Texts{"", ""}));
  EXPECT_EQ(answer.take().tokens.size(), 2u);
}

}  // namespace
}  // namespace rotor
