// SPDX-License-Identifier: Apache-2.0
// Parallel answers: each is what a plain loop over the whole text would draw, whatever the number
// of answers, the batch and the chunks.
#include "engine/sample_loop.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/fake_executor.h"
#include "engine/log_softmax.h"
#include "engine/sampler.h"

namespace rotor {
namespace {

using Floats = std::vector<float>;
constexpr size_t kVocab = 40;
constexpr size_t kContext = 400;

GenerationRequest make_request(size_t answers) {
  GenerationRequest request;
  for (TokenId i = 0; i < 250; ++i) {  // close to the end of a page
    request.prompt.push_back(i * i % static_cast<TokenId>(kVocab));
  }
  request.max_new_tokens = 30;
  request.sampling.seed = 11;
  request.sampling.repeat_penalty = 1.1f;
  request.end_of_generation = {7, 8};
  request.answers = answers;
  return request;
}

// Without cache, batches or anything else.
std::vector<TokenId> plain_answer(const GenerationRequest& request, uint32_t index) {
  Sampler sampler = *Sampler::create(request.sampling, kVocab);
  std::vector<TokenId> tokens = request.prompt;
  std::vector<TokenId> answer;
  while (answer.size() < request.max_new_tokens) {
    answer.push_back(*sampler.draw({fake_logits(tokens, kVocab), {}}, tokens, index));
    tokens.push_back(answer.back());
    const std::vector<TokenId>& ends = request.end_of_generation;
    if (std::find(ends.begin(), ends.end(), answer.back()) != ends.end()) {
      break;
    }
  }
  return answer;
}

struct Outcome {
  Status status;
  GenerationResult result;
  std::vector<GenerationEvent> events;
  size_t cache_length;
  size_t free_pages;
};

Outcome sample(const GenerationRequest& request, FakeExecutor& executor,
               const CancelFlag* cancel = nullptr) {
  Outcome outcome;
  const GenerationCallback keep = [&](const GenerationEvent& event) {
    outcome.events.push_back(event);
  };
  const GenerationRun run{request, kVocab, kContext, nullptr, keep, cancel};
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  TopQuery query;
  const bool few = first_query(run, query);
  const auto logits = stepper.prefill(cache, request.prompt, nullptr, few ? &query : nullptr);
  EXPECT_TRUE(logits.ok());
  outcome.status = sample_answers(run, stepper, *logits, cache, outcome.result);
  outcome.cache_length = cache.length();
  outcome.free_pages = executor.kv_pool().free_pages();
  return outcome;
}

TEST(SampleLoop, AnswersDoNotDependOnTheirNumberNorTheBatchNorTheHead) {
  for (const size_t answers : {1, 2, 5, 9}) {
    for (const size_t max_batch : {1, 4, 64}) {
      const GenerationRequest request = make_request(answers);
      FakeExecutor executor(kVocab, max_batch, 30);
      executor.answers_top = answers % 2 != 0;
      const Outcome outcome = sample(request, executor);
      ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
      ASSERT_EQ(outcome.result.answers.size(), answers);
      for (size_t i = 0; i < answers; ++i) {
        EXPECT_EQ(outcome.result.answers[i].tokens,
                  plain_answer(request, static_cast<uint32_t>(i)));
      }
    }
  }
}

size_t pages_of(size_t positions) { return (positions + kPagePositions - 1) / kPagePositions; }

TEST(SampleLoop, OnlyTheFirstAnswerAndLiveOnesHoldPages) {
  const GenerationRequest request = make_request(6);
  FakeExecutor executor(kVocab, 256, 30);
  std::vector<size_t> used;  // by pass; pass 0 is the prompt
  executor.before_pass = [&](size_t) { used.push_back(30 - executor.kv_pool().free_pages()); };
  const Outcome outcome = sample(request, executor);
  const std::vector<GeneratedAnswer>& answers = outcome.result.answers;
  for (size_t pass = 1; pass < used.size(); ++pass) {
    size_t want = 0;
    for (size_t i = 0; i < answers.size(); ++i) {
      const size_t drawn = answers[i].tokens.size();
      if (drawn > pass) {
        want += pages_of(250 + pass);
      } else if (i == 0) {
        want += pages_of(250 + drawn - 1);
      }
    }
    EXPECT_EQ(used[pass], want) << pass;
  }
  EXPECT_EQ(outcome.cache_length, 250 + answers[0].tokens.size() - 1);
  EXPECT_EQ(outcome.free_pages, 30 - pages_of(outcome.cache_length));
}

TEST(SampleLoop, EventsTellTheSameAsTheResult) {
  GenerationRequest request = make_request(3);
  request.log_probabilities = true;
  FakeExecutor executor(kVocab, 64, 30);
  const Outcome outcome = sample(request, executor);
  std::vector<GeneratedAnswer> told(3);
  for (const GenerationEvent& event : outcome.events) {
    GeneratedAnswer& answer = told[event.answer];
    EXPECT_EQ(answer.finish_reason, FinishReason::kNone);  // nothing comes after the end
    answer.tokens.push_back(event.token);
    answer.log_probabilities.push_back(event.log_probability);
    answer.finish_reason = event.finish_reason;
  }
  size_t generated = 0;
  for (size_t i = 0; i < 3; ++i) {
    const GeneratedAnswer& answer = outcome.result.answers[i];
    EXPECT_EQ(told[i].tokens, answer.tokens);
    EXPECT_EQ(told[i].log_probabilities, answer.log_probabilities);
    EXPECT_EQ(told[i].finish_reason, answer.finish_reason);
    EXPECT_NE(answer.finish_reason, FinishReason::kNone);
    generated += answer.tokens.size();
  }
  EXPECT_EQ(outcome.result.stats.generated_tokens, generated);
  EXPECT_EQ(outcome.result.stats.decoded_tokens, generated - 3);
}

TEST(SampleLoop, LogProbabilitiesAreTheModelsOwn) {
  GenerationRequest request = make_request(2);
  request.log_probabilities = true;
  request.sampling.temperature = 2;
  request.sampling.repeat_penalty = 1.5f;
  FakeExecutor executor(kVocab, 64, 30);
  for (const GeneratedAnswer& answer : sample(request, executor).result.answers) {
    std::vector<TokenId> tokens = request.prompt;
    ASSERT_EQ(answer.log_probabilities.size(), answer.tokens.size());
    for (size_t i = 0; i < answer.tokens.size(); ++i) {
      const std::vector<float> logits = fake_logits(tokens, kVocab);
      const float logit = logits[static_cast<size_t>(answer.tokens[i])];
      EXPECT_EQ(answer.log_probabilities[i], log_softmax(logits)(logit));
      tokens.push_back(answer.tokens[i]);
    }
  }
}

TEST(SampleLoop, CancellationEndsLiveAnswersWithWhatTheyHave) {
  GenerationRequest request = make_request(3);
  request.end_of_generation.clear();
  CancelFlag cancel;
  FakeExecutor executor(kVocab, 256, 30);
  executor.before_pass = [&](size_t pass) {
    if (pass == 5) {  // pass 0 is the prompt, so 5 tokens are drawn
      cancel.cancel();
    }
  };
  const Outcome outcome = sample(request, executor, &cancel);
  EXPECT_TRUE(outcome.status.ok());
  for (uint32_t i = 0; i < 3; ++i) {
    const GeneratedAnswer& answer = outcome.result.answers[i];
    EXPECT_EQ(answer.finish_reason, FinishReason::kCancelled);
    std::vector<TokenId> want = plain_answer(request, i);
    want.resize(5);
    EXPECT_EQ(answer.tokens, want);
  }
  EXPECT_EQ(outcome.events.back().token, kNoToken);
  EXPECT_EQ(outcome.cache_length, 254u);
}

TEST(SampleLoop, OutOfPagesIsAnErrorWithTheAnswersSoFar) {
  const GenerationRequest request = make_request(9);
  FakeExecutor executor(kVocab, 256, 4);
  const Outcome outcome = sample(request, executor);
  EXPECT_EQ(outcome.status.code(), Code::kOutOfPages);
  EXPECT_EQ(outcome.result.answers.size(), 9u);
  EXPECT_EQ(outcome.cache_length, 250u);
}

TEST(SampleLoop, AProcessorIsCalledOnceForEachTokenThatIsDrawn) {
  GenerationRequest request = make_request(2);
  request.end_of_generation = {};
  std::vector<std::vector<TokenId>> seen;
  request.logits_processor = [&](std::span<const TokenId> tokens, std::span<float> logits) {
    EXPECT_EQ(Floats(logits.begin(), logits.end()), fake_logits({tokens.begin(), tokens.end()}, kVocab));
    seen.emplace_back(tokens.begin(), tokens.end());
    for (size_t i = 0; i < kVocab; i += 2) {
      logits[i] = -INFINITY;
    }
    return Status();
  };
  FakeExecutor executor(kVocab, 64, 30);
  const Outcome outcome = sample(request, executor);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_EQ(seen.size(), 2 * request.max_new_tokens);
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<TokenId>& tokens = outcome.result.answers[i].tokens;
    EXPECT_EQ(tokens.size(), request.max_new_tokens);
    EXPECT_TRUE(std::all_of(tokens.begin(), tokens.end(), [](TokenId t) { return t % 2 == 1; }));
    for (size_t count = 0; count < tokens.size(); ++count) {
      std::vector<TokenId> before = request.prompt;
      before.insert(before.end(), tokens.begin(), tokens.begin() + static_cast<ptrdiff_t>(count));
      EXPECT_NE(std::find(seen.begin(), seen.end(), before), seen.end());
    }
  }
}

TEST(SampleLoop, AProcessorThatChangesNothingChangesNothing) {
  GenerationRequest request = make_request(1);
  FakeExecutor plain(kVocab, 64, 30);
  const Outcome expected = sample(request, plain);
  request.logits_processor = [](std::span<const TokenId>, std::span<float>) { return Status(); };
  FakeExecutor executor(kVocab, 64, 30);
  EXPECT_EQ(sample(request, executor).result.answers[0].tokens, expected.result.answers[0].tokens);
}

TEST(SampleLoop, AProcessorsFailureEndsTheGeneration) {
  GenerationRequest request = make_request(1);
  size_t calls = 0;
  request.logits_processor = [&](std::span<const TokenId>, std::span<float>) {
    return ++calls == 3 ? unsupported("enough") : Status();
  };
  FakeExecutor executor(kVocab, 64, 30);
  EXPECT_EQ(sample(request, executor).status.code(), Code::kUnsupported);
  EXPECT_EQ(calls, 3u);
  request.beam_width = 2;
  EXPECT_EQ(validate(request, kVocab, kContext).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace rotor
