// SPDX-License-Identifier: Apache-2.0
// Answers with speculation against the same without: the same tokens, whatever repeats, however they
// are drawn, how many there are, and wherever they end; fewer passes where the text repeats.
#include "engine/speculation.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "engine/fake_executor.h"
#include "engine/sample_loop.h"
#include "text/tokenizer.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 60;

struct Outcome {
  Status status;
  GenerationResult result;
  size_t passes = 0;
  size_t cached = 0;
  size_t free_pages = 0;
};

// How an answer is computed.
struct Way {
  size_t max_batch = 32;
  size_t stumble = 11;  // every so many tokens the text does not repeat
  size_t context = 1000;
  size_t pages = 40;
};

// A clock on which every pass takes as long, however many rows it has.
double seconds = 0;
double now() { return seconds; }
void tick(size_t /*pass*/) { seconds += 0.001; }

// Token i is a character of its own.
std::shared_ptr<const Tokenizer> letters_tokenizer() {
  TokenizerSpec spec;
  for (size_t i = 0; i < kVocab; ++i) {
    spec.tokens.emplace_back(1, static_cast<char>('0' + i));
  }
  spec.kinds.assign(spec.tokens.size(), TokenKind::kNormal);
  return std::make_shared<const Tokenizer>(*Tokenizer::create(std::move(spec)));
}

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

Outcome answer(GenerationRequest request, bool speculate, const Way& way) {
  request.speculate = speculate;
  FakeExecutor executor(kVocab, way.max_batch, way.pages);
  executor.answers_top = true;
  executor.before_pass = tick;
  executor.make_logits = [&](const std::vector<TokenId>& tokens) {
    return repeating(tokens, 9, way.stumble);
  };
  const GenerationCallback no_events;
  const std::shared_ptr<const Tokenizer> vocabulary =
      request.stop.empty() ? nullptr : letters_tokenizer();
  const GenerationRun run{request, kVocab, way.context, vocabulary.get(), no_events, nullptr, now};
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  const auto logits = stepper.prefill(cache, request.prompt, nullptr);
  const size_t before = executor.batch_sizes.size();
  Outcome outcome;
  outcome.status = logits.ok() ? sample_answers(run, stepper, *logits, cache, outcome.result)
                               : logits.status();
  outcome.passes = executor.batch_sizes.size() - before;
  outcome.cached = cache.length();
  outcome.free_pages = executor.kv_pool().free_pages();
  return outcome;
}

void expect_same(const GenerationRequest& request, const Way& way = {}) {
  const Outcome plain = answer(request, false, way);
  const Outcome quick = answer(request, true, way);
  ASSERT_TRUE(plain.status.ok()) << plain.status.message();
  ASSERT_TRUE(quick.status.ok()) << quick.status.message();
  ASSERT_EQ(quick.result.answers.size(), request.answers);
  for (size_t i = 0; i < request.answers; ++i) {
    const GeneratedAnswer& a = quick.result.answers[i];
    const GeneratedAnswer& b = plain.result.answers[i];
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.log_probabilities, b.log_probabilities);
    EXPECT_EQ(a.finish_reason, b.finish_reason);
  }
  EXPECT_EQ(quick.result.stats.decoded_tokens, plain.result.stats.decoded_tokens);
  EXPECT_EQ(quick.cached, plain.cached);
  EXPECT_EQ(quick.free_pages, plain.free_pages);
  EXPECT_EQ(plain.result.stats.drafted_tokens, 0u);
  const GenerationStats& stats = quick.result.stats;
  EXPECT_LE(stats.accepted_tokens, stats.drafted_tokens);
  if (request.answers == 1) {
    // A pass draws one token more than it accepts, unless the answer ends with a draft token.
    EXPECT_EQ(plain.passes, plain.result.stats.decoded_tokens);
    EXPECT_GE(quick.passes, stats.decoded_tokens - stats.accepted_tokens);
    EXPECT_LE(quick.passes, stats.decoded_tokens - stats.accepted_tokens + 1);
  }
}

TEST(Speculation, DrawsTheSameTokens) {
  for (const size_t answers : {1, 3}) {
    for (const float temperature : {0.0f, 0.8f, 3.0f}) {
      for (const size_t stumble : {2, 5, 11, 1000}) {
        GenerationRequest request = make_request(30);
        request.answers = answers;
        request.sampling.temperature = temperature;
        expect_same(request, {.stumble = stumble});
        request.sampling.repeat_penalty = 1.2f;
        request.sampling.logit_bias = {{3, 2.0f}, {4, -INFINITY}};
        expect_same(request, {.stumble = stumble});
        request.sampling.top_k = 0;
        request.log_probabilities = true;
        expect_same(request, {.stumble = stumble});
      }
    }
  }
}

TEST(Speculation, SavesPassesWhereTextRepeats) {
  const Way way = {.stumble = 1000};
  for (const size_t answers : {1, 4}) {
    GenerationRequest request = make_request(30);
    request.answers = answers;
    request.sampling.temperature = 0;
    const Outcome quick = answer(request, true, way);
    EXPECT_LT(quick.passes, 60u);
    EXPECT_GT(quick.result.stats.accepted_tokens, 60 * answers);
  }
}

TEST(Speculation, StaysWithinBatchPageAndAnswer) {
  for (const size_t answers : {1, 2, 5}) {
    const auto request = [&](size_t prompt, size_t length = 120) {
      GenerationRequest made = make_request(prompt);
      made.answers = answers;
      made.max_new_tokens = length;
      return made;
    };
    for (const size_t max_batch : {1, 2, 5, 6}) {
      expect_same(request(30), {.max_batch = max_batch, .stumble = 1000});
    }
    for (const size_t prompt : {240, 250, 255, 256, 257}) {
      expect_same(request(prompt), {.stumble = 1000});
    }
    for (const size_t length : {0, 1, 2, 3, 50}) {
      expect_same(request(40, length), {.max_batch = 64, .stumble = 1000});
    }
    expect_same(request(40), {.max_batch = 64, .stumble = 1000, .context = 75});  // the context is full
  }
}

TEST(Speculation, EndsWhereAnAnswerEnds) {
  for (const size_t answers : {1, 3}) {
    GenerationRequest request = make_request(30);
    request.answers = answers;
    request.sampling.temperature = 0.3f;
    const std::vector<TokenId> tokens =
        answer(request, false, {.stumble = 1000}).result.answers[0].tokens;
    for (const size_t end : {20, 33, 40, 41}) {
      request.end_of_generation = {tokens[end]};
      expect_same(request, {.stumble = 1000});
    }
  }
}

TEST(Speculation, EndsAtAStopString) {
  for (const size_t answers : {1, 3}) {
    GenerationRequest request = make_request(30);
    request.answers = answers;
    request.sampling.temperature = 0.5f;
    request.stop = {"no such text"};
    const std::string text = answer(request, false, {}).result.answers[0].text;
    ASSERT_GT(text.size(), 60u);
    for (const size_t at : {10, 31, 50}) {
      request.stop = {text.substr(at, 3)};
      expect_same(request);
    }
  }
}

// The first answer repeats itself and comes to a new page long before the second, which does not, ends
// within the first page. There are pages for this, but not for both answers to have two: the one that is
// ahead waits.
TEST(Speculation, AnAnswerThatIsAheadLeavesTheOthersTheirPages) {
  const TokenId end = 59;
  GenerationRequest request = make_request(30);
  request.answers = 2;
  request.max_new_tokens = 400;
  request.end_of_generation = {end};
  const auto logits_after = [&](const std::vector<TokenId>& tokens) {
    std::vector<float> logits = fake_logits(tokens, kVocab);
    logits[end] = -100;
    if (tokens.size() > 30 && tokens[30] % 2 == 0) {
      logits[static_cast<size_t>(tokens[tokens.size() - 9])] += 40;
    } else if (tokens.size() == 240) {
      logits[end] = 100;
    }
    return logits;
  };
  const auto sizes = [&](size_t pages, bool speculate) {
    request.speculate = speculate;
    FakeExecutor executor(kVocab, 32, pages);
    executor.make_logits = logits_after;
    executor.before_pass = tick;
    const GenerationCallback no_events;
    const GenerationRun run{request, kVocab, 1000, nullptr, no_events, nullptr, now};
    Stepper stepper(executor);
    KvSequence cache(&executor.kv_pool());
    const auto logits = stepper.prefill(cache, request.prompt, nullptr);
    GenerationResult result;
    const Status status = sample_answers(run, stepper, *logits, cache, result);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(result.stats.accepted_tokens > 100, speculate);
    return std::pair(result.answers[0].tokens.size(), result.answers[1].tokens.size());
  };
  const std::pair<size_t, size_t> expected = {400, 211};
  while (sizes(10, false) != expected) {
    ASSERT_LT(++request.sampling.seed, 100u);
  }
  EXPECT_EQ(sizes(2, false), expected);
  EXPECT_EQ(sizes(2, true), expected);
}

TEST(Speculation, AFailedPassLeavesNoDraft) {
  GenerationRequest request = make_request(30);
  request.max_new_tokens = 900;
  request.sampling.temperature = 0;
  for (size_t failing = 5; failing < 15; ++failing) {
    FakeExecutor executor(kVocab, 32, 10);
    executor.make_logits = [](const std::vector<TokenId>& t) { return repeating(t, 9, 1000); };
    executor.before_pass = tick;
    executor.failing_pass = failing;
    const GenerationCallback no_events;
    const GenerationRun run{request, kVocab, 1000, nullptr, no_events, nullptr, now};
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
