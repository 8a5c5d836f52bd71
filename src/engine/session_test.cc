// SPDX-License-Identifier: Apache-2.0
// A conversation over turns: the cache is reused, another answer can be asked for, errors and
// cancellation leave the session usable.
#include "engine/session.h"

#include <gtest/gtest.h>

#include "engine/fake_executor.h"
#include "engine/test_vocabulary.h"

namespace rotor {
namespace {

constexpr size_t kContext = 1000;

GenerationRequest request_for(std::vector<TokenId> prompt, size_t max_new_tokens = 20) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_new_tokens = max_new_tokens;
  return request;
}

std::vector<TokenId> prompt_of(size_t length) {
  std::vector<TokenId> prompt;
  for (size_t i = 0; i < length; ++i) {
    prompt.push_back(static_cast<TokenId>(1 + i * i % (kTestVocab - 1)));
  }
  return prompt;
}

class SessionTest : public ::testing::Test {
 protected:
  GenerationResult generate(const GenerationRequest& request) {
    Result<GenerationResult> result = session_.generate(request);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? *result : GenerationResult();
  }

  FakeExecutor executor_{kTestVocab, 32, 20};
  Session session_{executor_, {kTestVocab, kContext, test_tokenizer()}};
};

TEST_F(SessionTest, TheNextTurnComputesOnlyWhatIsNew) {
  std::vector<TokenId> conversation = prompt_of(100);
  const GenerationResult first = generate(request_for(conversation));
  EXPECT_EQ(first.stats.prompt_tokens, 100u);
  EXPECT_EQ(first.stats.cached_tokens, 0u);
  EXPECT_EQ(first.stats.generated_tokens, 20u);
  EXPECT_EQ(first.stats.decoded_tokens, 19u);
  conversation.insert(conversation.end(), first.answers[0].tokens.begin(),
                      first.answers[0].tokens.end());
  EXPECT_EQ(session_.cached_tokens(),
            std::vector<TokenId>(conversation.begin(), conversation.end() - 1));
  conversation.push_back(kTestA);
  const GenerationResult second = generate(request_for(conversation));
  EXPECT_EQ(second.stats.cached_tokens, 119u);

  // A session that starts afresh says the same.
  FakeExecutor executor(kTestVocab, 5, 20);
  Session fresh(executor, {kTestVocab, kContext, test_tokenizer()});
  EXPECT_EQ(fresh.generate(request_for(conversation))->answers[0].tokens, second.answers[0].tokens);
}

TEST_F(SessionTest, AnEditedConversationReusesWhatItHasInCommon) {
  std::vector<TokenId> prompt = prompt_of(300);
  generate(request_for(prompt));
  prompt[270] = kTestEnd;
  const GenerationResult edited = generate(request_for(prompt));
  EXPECT_EQ(edited.stats.cached_tokens, 270u);
  session_.truncate(0);
  EXPECT_EQ(executor_.kv_pool().free_pages(), executor_.kv_pool().pages());
  EXPECT_EQ(generate(request_for(prompt)).answers[0].tokens, edited.answers[0].tokens);
}

TEST_F(SessionTest, TheSamePromptAgainIsAnotherAnswerOnlyWithAnotherSeed) {
  GenerationRequest request = request_for(prompt_of(50));
  const auto first = generate(request).answers[0].tokens;
  const GenerationResult again = generate(request);
  EXPECT_EQ(again.answers[0].tokens, first);
  EXPECT_EQ(again.stats.cached_tokens, 49u);  // one row must be computed for its logits
  request.sampling.seed = 1;
  EXPECT_NE(generate(request).answers[0].tokens, first);
}

TEST_F(SessionTest, TruncateForgets) {
  const std::vector<TokenId> prompt = prompt_of(60);
  const auto answer = generate(request_for(prompt)).answers[0].tokens;
  session_.truncate(10);
  EXPECT_EQ(session_.cached_tokens().size(), 10u);
  session_.truncate(99);
  EXPECT_EQ(session_.cached_tokens().size(), 10u);
  const GenerationResult again = generate(request_for(prompt));
  EXPECT_EQ(again.stats.cached_tokens, 10u);
  EXPECT_EQ(again.answers[0].tokens, answer);
}

TEST_F(SessionTest, TheContextLimitsPromptAndAnswer) {
  EXPECT_EQ(session_.generate(request_for(prompt_of(kContext + 1))).status().code(),
            Code::kInvalidArgument);
  const GenerationResult nearly = generate(request_for(prompt_of(kContext - 3), SIZE_MAX));
  EXPECT_EQ(nearly.answers[0].tokens.size(), 3u);
  EXPECT_EQ(nearly.answers[0].finish_reason, FinishReason::kLength);
  const GenerationResult full = generate(request_for(prompt_of(kContext)));
  EXPECT_TRUE(full.answers[0].tokens.empty());
  EXPECT_EQ(full.answers[0].finish_reason, FinishReason::kLength);
}

TEST_F(SessionTest, NoNewTokensOnlyComputesThePrompt) {
  const GenerationResult result = generate(request_for(prompt_of(40), 0));
  EXPECT_TRUE(result.answers[0].tokens.empty());
  EXPECT_EQ(session_.cached_tokens(), prompt_of(40));
}

TEST_F(SessionTest, CancelledInThePromptEveryAnswerSaysSo) {
  CancelFlag cancel;
  executor_.before_pass = [&](size_t pass) {
    if (pass == 1) {
      cancel.cancel();
    }
  };
  GenerationRequest request = request_for(prompt_of(100));
  request.answers = 2;
  std::vector<FinishReason> reasons;
  const auto result = session_.generate(
      request, [&](const GenerationEvent& event) { reasons.push_back(event.finish_reason); },
      &cancel);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(reasons, (std::vector<FinishReason>(2, FinishReason::kCancelled)));
  EXPECT_EQ(result->answers.size(), 2u);
  EXPECT_EQ(session_.cached_tokens().size(), 32u);

  // And goes on from there.
  executor_.before_pass = nullptr;
  EXPECT_EQ(generate(request).stats.cached_tokens, 32u);
}

TEST_F(SessionTest, AnErrorInTheAnswerKeepsWhatWasComputed) {
  const GenerationRequest request = request_for(prompt_of(30));
  executor_.failing_pass = 5;
  EXPECT_EQ(session_.generate(request).status().code(), Code::kNotFinite);
  EXPECT_EQ(session_.cached_tokens().size(), 34u);
  const auto after = generate(request).answers[0].tokens;
  session_.truncate(0);
  EXPECT_EQ(generate(request).answers[0].tokens, after);
}

TEST_F(SessionTest, StopStringsNeedATokenizer) {
  Session bare(executor_, {kTestVocab, kContext, nullptr});
  GenerationRequest request = request_for(prompt_of(3));
  EXPECT_EQ(bare.generate(request)->answers[0].tokens, generate(request).answers[0].tokens);
  request.stop = {"x"};
  EXPECT_EQ(bare.generate(request).status().code(), Code::kInvalidArgument);
}

TEST_F(SessionTest, BeamSearchLeavesThePromptCached) {
  GenerationRequest request = request_for(prompt_of(40), 6);
  request.beam_width = 3;
  request.answers = 3;
  const GenerationResult result = generate(request);
  EXPECT_EQ(result.answers.size(), 3u);
  EXPECT_EQ(session_.cached_tokens(), prompt_of(40));
  session_.truncate(0);
  EXPECT_EQ(executor_.kv_pool().free_pages(), executor_.kv_pool().pages());
}

TEST_F(SessionTest, OtherAdaptersShareNothingOfTheCache) {
  GenerationRequest request = request_for(prompt_of(100), 0);
  generate(request);
  EXPECT_EQ(generate(request).stats.cached_tokens, 99u);
  request.lora = LoraSet{{nullptr, 0.5f}};  // which the fake executor does not look at
  EXPECT_EQ(generate(request).stats.cached_tokens, 0u);
  EXPECT_EQ(generate(request).stats.cached_tokens, 99u);
  request.lora = LoraSet{{nullptr, 0.25f}};
  EXPECT_EQ(generate(request).stats.cached_tokens, 0u);
  request.lora = LoraSet();
  EXPECT_EQ(generate(request).stats.cached_tokens, 0u);
  request.lora = std::nullopt;
  EXPECT_EQ(generate(request).stats.cached_tokens, 99u);
  executor_.kv_pool().set_lora(std::make_shared<const LoraSet>(LoraSet{{nullptr, 1.0f}}));
  EXPECT_EQ(generate(request).stats.cached_tokens, 0u);
  EXPECT_EQ(generate(request).stats.cached_tokens, 99u);
}

}  // namespace
}  // namespace rotor
