// SPDX-License-Identifier: Apache-2.0
// Answers with speculation against the same without: the same tokens, whatever repeats, however they
// are drawn, and wherever they end; fewer passes where the text repeats.
#include "engine/speculation.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/fake_executor.h"
#include "engine/sample_loop.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 60;

struct Outcome {
  GenerationResult result;
  size_t passes = 0;
  size_t cached = 0;
};

// Logits that mostly repeat what came `period` tokens before, and now and then do not.
std::vector<float> repeating(const std::vector<TokenId>& tokens, size_t period, size_t stumble) {
  std::vector<float> logits = fake_logits(tokens, kVocab);
  if (tokens.size() >= period && tokens.size() % stumble != 0) {
    logits[static_cast<size_t>(tokens[tokens.size() - period])] += 20;
  }
  return logits;
}

GenerationRequest make_request(size_t prompt) {
  GenerationRequest request;
  for (size_t i = 0; i < prompt; ++i) {
    request.prompt.push_back(static_cast<TokenId>(i * i % 23));
  }
  request.max_new_tokens = 120;
  request.sampling.seed = 5;
  return request;
}

Outcome answer(GenerationRequest request, bool speculate, size_t max_batch = 32,
               size_t stumble = 11, size_t context = 1000,
               std::chrono::microseconds pass_time = {}) {
  request.speculate = speculate;
  FakeExecutor executor(kVocab, max_batch, 10);
  executor.answers_top = true;
  executor.before_pass = [&](size_t) { std::this_thread::sleep_for(pass_time); };
  executor.make_logits = [&](const std::vector<TokenId>& tokens) {
    return repeating(tokens, 9, stumble);
  };
  const GenerationCallback no_events;
  const GenerationRun run{request, kVocab, context, nullptr, no_events, nullptr};
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  const auto logits = stepper.prefill(cache, request.prompt, nullptr);
  const size_t before = executor.batch_sizes.size();
  Outcome outcome;
  const Status status = sample_answers(run, stepper, *logits, cache, outcome.result);
  EXPECT_TRUE(status.ok()) << status.message();
  outcome.passes = executor.batch_sizes.size() - before;
  outcome.cached = cache.length();
  return outcome;
}

void expect_same(const GenerationRequest& request, size_t max_batch = 32, size_t stumble = 11,
                 size_t context = 1000) {
  const Outcome plain = answer(request, false, max_batch, stumble, context);
  const Outcome quick = answer(request, true, max_batch, stumble, context);
  EXPECT_EQ(quick.result.answers[0].tokens, plain.result.answers[0].tokens);
  EXPECT_EQ(quick.result.answers[0].finish_reason, plain.result.answers[0].finish_reason);
  EXPECT_EQ(quick.result.stats.decoded_tokens, plain.result.stats.decoded_tokens);
  EXPECT_EQ(quick.cached, plain.cached);
  EXPECT_EQ(plain.passes, plain.result.stats.decoded_tokens);
  EXPECT_EQ(plain.result.stats.drafted_tokens, 0u);
  // A pass draws one token more than it accepts, unless the answer ends with a draft token.
  const GenerationStats& stats = quick.result.stats;
  EXPECT_GE(quick.passes, stats.decoded_tokens - stats.accepted_tokens);
  EXPECT_LE(quick.passes, stats.decoded_tokens - stats.accepted_tokens + 1);
}

TEST(Speculation, DrawsTheSameTokens) {
  for (const float temperature : {0.0f, 0.8f, 3.0f}) {
    for (const size_t stumble : {2, 5, 11, 1000}) {
      GenerationRequest request = make_request(30);
      request.sampling.temperature = temperature;
      expect_same(request, 32, stumble);
      request.sampling.repeat_penalty = 1.2f;
      request.sampling.logit_bias = {{3, 2.0f}, {4, -INFINITY}};
      expect_same(request, 32, stumble);
      request.sampling.top_k = 0;
      request.log_probabilities = true;
      expect_same(request, 32, stumble);
    }
  }
}

TEST(Speculation, SavesPassesWhereTextRepeats) {
  GenerationRequest request = make_request(30);
  request.sampling.temperature = 0;
  // A pass costs more than its rows.
  const Outcome quick = answer(request, true, 32, 1000, 1000, std::chrono::microseconds(500));
  EXPECT_LT(quick.passes, 60u);
  EXPECT_GT(quick.result.stats.accepted_tokens, 60u);
}

TEST(Speculation, StaysWithinBatchPageAndAnswer) {
  for (const size_t max_batch : {1, 2, 5}) {
    expect_same(make_request(30), max_batch, 1000);
  }
  for (const size_t prompt : {240, 250, 255, 256, 257}) {
    expect_same(make_request(prompt), 32, 1000);
  }
  for (const size_t length : {0, 1, 2, 3, 50}) {
    GenerationRequest request = make_request(40);
    request.max_new_tokens = length;
    expect_same(request, 64, 1000);
  }
  expect_same(make_request(40), 64, 1000, 75);  // the context ends the answer
}

TEST(Speculation, EndsWhereAnAnswerEnds) {
  GenerationRequest request = make_request(30);
  request.sampling.temperature = 0;
  const std::vector<TokenId> tokens = answer(request, false, 32, 1000).result.answers[0].tokens;
  for (const size_t end : {20, 33, 40, 41}) {
    request.end_of_generation = {tokens[end]};
    expect_same(request, 32, 1000);
  }
}

TEST(Speculation, AFailedPassLeavesNoDraft) {
  GenerationRequest request = make_request(30);
  request.sampling.temperature = 0;
  for (size_t failing = 5; failing < 15; ++failing) {
    FakeExecutor executor(kVocab, 32, 10);
    executor.make_logits = [](const std::vector<TokenId>& t) { return repeating(t, 9, 1000); };
    executor.failing_pass = failing;
    const GenerationCallback no_events;
    const GenerationRun run{request, kVocab, 1000, nullptr, no_events, nullptr};
    Stepper stepper(executor);
    KvSequence cache(&executor.kv_pool());
    const auto logits = stepper.prefill(cache, request.prompt, nullptr);
    GenerationResult result;
    EXPECT_EQ(sample_answers(run, stepper, *logits, cache, result).code(), Code::kNotFinite);
    EXPECT_EQ(cache.length(), 30 + result.answers[0].tokens.size() - 1);
  }
}

}  // namespace
}  // namespace rotor
