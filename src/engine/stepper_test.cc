// SPDX-License-Identifier: Apache-2.0
// Chunking changes nothing; failures leave caches as long as what was computed.
#include "engine/stepper.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/fake_executor.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 40;
const TokenId kOne = 1;
const auto kIgnore = [](size_t, size_t, const RowLogits&) -> Result<bool> { return true; };

std::vector<TokenId> some_tokens(size_t count) {
  std::vector<TokenId> tokens(count);
  std::iota(tokens.begin(), tokens.end(), 0);
  for (TokenId& token : tokens) {
    token = token * 7 % static_cast<TokenId>(kVocab);
  }
  return tokens;
}

std::vector<float> copy(std::span<const float> row) { return {row.begin(), row.end()}; }

TEST(Stepper, PrefillGivesTheLastLogitsWhateverTheChunk) {
  const std::vector<TokenId> tokens = some_tokens(600);
  for (const size_t max_batch : {1, 7, 256, 600, 1000}) {
    FakeExecutor executor(kVocab, max_batch, 4);
    Stepper stepper(executor);
    KvSequence cache(&executor.kv_pool());
    const auto logits = stepper.prefill(cache, tokens, nullptr);
    ASSERT_TRUE(logits.ok()) << logits.status().message();
    EXPECT_EQ(copy(logits->all), fake_logits(tokens, kVocab)) << max_batch;
    EXPECT_EQ(executor.batch_sizes.size(), (600 + max_batch - 1) / max_batch);
  }
}

TEST(Stepper, PrefillContinuesACache) {
  const std::vector<TokenId> tokens = some_tokens(300);
  FakeExecutor executor(kVocab, 64, 4);
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  ASSERT_TRUE(stepper.prefill(cache, std::span(tokens).first(270), nullptr).ok());
  const auto logits = stepper.prefill(cache, std::span(tokens).subspan(270), nullptr);
  EXPECT_EQ(copy(logits->all), fake_logits(tokens, kVocab));
}

TEST(Stepper, FailedPrefillKeepsTheChunksBefore) {
  FakeExecutor executor(kVocab, 10, 4);
  executor.failing_pass = 2;
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  EXPECT_EQ(stepper.prefill(cache, some_tokens(50), nullptr).status().code(), Code::kNotFinite);
  EXPECT_EQ(cache.length(), 20u);
}

TEST(Stepper, PrefillIsCancelledBetweenAndInsidePasses) {
  CancelFlag cancel;
  FakeExecutor executor(kVocab, 10, 4);
  executor.before_pass = [&](size_t pass) {
    if (pass == 1) {
      cancel.cancel();
    }
  };
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  EXPECT_EQ(stepper.prefill(cache, some_tokens(50), &cancel).status().code(), Code::kCancelled);
  EXPECT_EQ(cache.length(), 10u);
  EXPECT_EQ(stepper.prefill(cache, some_tokens(50), &cancel).status().code(), Code::kCancelled);
  EXPECT_EQ(cache.length(), 10u);
  EXPECT_EQ(executor.batch_sizes.size(), 2u);  // a flag set before costs no pass
}

// Forks of one prompt that go apart, stepped in batches smaller than their number.
TEST(Stepper, StepsServeEachSequenceItsOwnLogits) {
  const std::vector<TokenId> prompt = some_tokens(300);
  for (const size_t max_batch : {2, 3, 64}) {
    FakeExecutor executor(kVocab, max_batch, 20);
    Stepper stepper(executor);
    KvSequence cache(&executor.kv_pool());
    ASSERT_TRUE(stepper.prefill(cache, prompt, nullptr).ok());
    std::vector<KvSequence> forks;
    std::vector<std::vector<TokenId>> tokens(5, prompt);
    for (size_t i = 0; i < 5; ++i) {
      forks.push_back(cache.fork());
    }
    for (TokenId round = 0; round < 4; ++round) {
      std::vector<Step> steps;
      for (size_t i = 0; i < 5; ++i) {
        tokens[i].push_back(static_cast<TokenId>(i) * 5 + round);
        steps.push_back({&forks[i], std::span(tokens[i]).last(1)});
      }
      size_t used = 0;
      const Status status = stepper.step(steps, nullptr, [&](size_t i, size_t j, const RowLogits& row) {
        EXPECT_EQ(i, used++);
        EXPECT_EQ(j, 0u);
        EXPECT_EQ(copy(row.all), fake_logits(tokens[i], kVocab));
        return true;
      });
      EXPECT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(used, 5u);
    }
  }
}

// Steps of one to four tokens, of which as many are used as the caller wants: row by row the logits
// after them, and nothing of the rest stays.
TEST(Stepper, TokensThatAreNotUsedAreForgotten) {
  const std::vector<TokenId> prompt = some_tokens(300);
  for (const size_t max_batch : {4, 5, 7, 64}) {
    for (const size_t wanted : {1, 2, 4}) {
      FakeExecutor executor(kVocab, max_batch, 20);
      Stepper stepper(executor);
      KvSequence cache(&executor.kv_pool());
      ASSERT_TRUE(stepper.prefill(cache, prompt, nullptr).ok());
      const size_t before = executor.batch_sizes.size();
      std::vector<KvSequence> forks;
      std::vector<std::vector<TokenId>> tokens;
      for (size_t i = 0; i < 4; ++i) {
        forks.push_back(cache.fork());
        tokens.emplace_back(1 + i, static_cast<TokenId>(10 + i));
      }
      std::vector<Step> steps;
      for (size_t i = 0; i < 4; ++i) {
        steps.push_back({&forks[i], tokens[i]});
      }
      size_t calls = 0;
      const Status status = stepper.step(steps, nullptr, [&](size_t i, size_t j, const RowLogits& row) {
        std::vector<TokenId> text = prompt;
        text.insert(text.end(), tokens[i].begin(), tokens[i].begin() + static_cast<ptrdiff_t>(j) + 1);
        EXPECT_EQ(copy(row.all), fake_logits(text, kVocab));
        ++calls;
        return j + 1 < wanted;
      });
      EXPECT_TRUE(status.ok()) << status.message();
      size_t expected = 0;
      for (size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(forks[i].length(), 300 + std::min(wanted, 1 + i));
        expected += std::min(wanted, 1 + i);
      }
      EXPECT_EQ(calls, expected);
      const size_t passes = max_batch == 4 ? 3 : max_batch == 5 ? 3 : max_batch == 7 ? 2 : 1;
      EXPECT_EQ(executor.batch_sizes.size() - before, passes);
    }
  }
}

TEST(Stepper, AFailedUseForgetsWhatIsBehindIt) {
  FakeExecutor executor(kVocab, 20, 10);
  Stepper stepper(executor);
  std::vector<KvSequence> caches;
  for (size_t i = 0; i < 3; ++i) {
    caches.emplace_back(&executor.kv_pool());
  }
  const std::vector<TokenId> tokens = {1, 2, 3};
  std::vector<Step> steps;
  for (KvSequence& cache : caches) {
    ASSERT_TRUE(stepper.prefill(cache, some_tokens(5), nullptr).ok());
    steps.push_back({&cache, tokens});
  }
  const Status status =
      stepper.step(steps, nullptr, [](size_t i, size_t j, const RowLogits&) -> Result<bool> {
        if (i == 1 && j == 1) {
          return internal_error("no more");
        }
        return true;
      });
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_EQ(caches[0].length(), 8u);
  EXPECT_EQ(caches[1].length(), 7u);
  EXPECT_EQ(caches[2].length(), 5u);
}

TEST(Stepper, FailedStepTakesItsTokensBack) {
  FakeExecutor executor(kVocab, 2, 10);
  Stepper stepper(executor);
  std::vector<KvSequence> caches;
  std::vector<Step> steps;
  for (size_t i = 0; i < 4; ++i) {
    caches.emplace_back(&executor.kv_pool());
  }
  for (KvSequence& cache : caches) {
    ASSERT_TRUE(stepper.prefill(cache, some_tokens(5), nullptr).ok());
    steps.push_back({&cache, {&kOne, 1}});
  }
  executor.failing_pass = executor.batch_sizes.size() + 1;  // the second slice
  EXPECT_EQ(stepper.step(steps, nullptr, kIgnore).code(), Code::kNotFinite);
  EXPECT_EQ(caches[0].length(), 6u);
  EXPECT_EQ(caches[1].length(), 6u);
  EXPECT_EQ(caches[2].length(), 5u);
  EXPECT_EQ(caches[3].length(), 5u);
}

TEST(Stepper, OutOfPagesTakesTheWholeBatchBack) {
  FakeExecutor executor(kVocab, 8, 3);
  Stepper stepper(executor);
  std::vector<KvSequence> caches;
  std::vector<Step> steps;
  caches.emplace_back(&executor.kv_pool());
  caches.emplace_back(&executor.kv_pool());
  for (KvSequence& cache : caches) {
    ASSERT_TRUE(stepper.prefill(cache, some_tokens(kPagePositions), nullptr).ok());
    steps.push_back({&cache, {&kOne, 1}});
  }
  EXPECT_EQ(stepper.step(steps, nullptr, kIgnore).code(), Code::kOutOfPages);
  EXPECT_EQ(caches[0].length(), kPagePositions);
  EXPECT_EQ(caches[1].length(), kPagePositions);
  EXPECT_EQ(executor.kv_pool().free_pages(), 1u);
}

TEST(Stepper, AQueryReachesTheExecutor) {
  FakeExecutor executor(kVocab, 4, 4);
  executor.answers_top = true;
  Stepper stepper(executor);
  KvSequence cache(&executor.kv_pool());
  const TopQuery query = {2, {5}};
  const auto first = stepper.prefill(cache, some_tokens(10), nullptr, &query);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->all.empty());
  EXPECT_GE(first->top.size(), 2u);
  const std::vector<Step> steps = {{&cache, {&kOne, 1}, {&query, 1}}};
  const Status status = stepper.step(steps, nullptr, [&](size_t, size_t, const RowLogits& row) {
    EXPECT_TRUE(row.all.empty());
    EXPECT_TRUE(std::any_of(row.top.begin(), row.top.end(),
                            [](const TokenLogit& entry) { return entry.token == 5; }));
    return true;
  });
  EXPECT_TRUE(status.ok());
}

}  // namespace
}  // namespace rotor
