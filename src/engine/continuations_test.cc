// SPDX-License-Identifier: Apache-2.0
// Likelihoods against the definition, whatever the batch and however few the pages.
#include "engine/continuations.h"

#include <gtest/gtest.h>

#include "engine/fake_executor.h"
#include "engine/log_softmax.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 30;
using Tokens = std::vector<TokenId>;

Tokens some_text(size_t length, size_t seed) {
  Tokens tokens;
  for (size_t i = 0; i < length; ++i) {
    tokens.push_back(static_cast<TokenId>((i * i + seed * 7) % 29));
  }
  return tokens;
}

Likelihood plain(Tokens context, const Tokens& text) {
  Likelihood likelihood;
  for (const TokenId token : text) {
    const std::vector<float> logits = fake_logits(context, kVocab);
    likelihood.log_likelihood += log_softmax(logits)(logits[static_cast<size_t>(token)]);
    likelihood.greedy &= std::max_element(logits.begin(), logits.end()) - logits.begin() == token;
    context.push_back(token);
  }
  return likelihood;
}

// What the model itself would write.
Tokens greedy_text(Tokens context, size_t length) {
  const size_t start = context.size();
  while (context.size() < start + length) {
    const std::vector<float> logits = fake_logits(context, kVocab);
    context.push_back(static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) -
                                           logits.begin()));
  }
  return Tokens(context.begin() + static_cast<ptrdiff_t>(start), context.end());
}

std::vector<Continuations> some_items(size_t longest) {
  std::vector<Continuations> items;
  for (size_t i = 0; i < 9; ++i) {
    Continuations item{some_text(1 + i * longest / 8, i), {}};
    for (size_t t = 0; t < 1 + i % 4; ++t) {
      item.texts.push_back(some_text(1 + (t * 3 + i) % 7, t + 100));
    }
    item.texts.push_back(greedy_text(item.context, 1 + i));
    items.push_back(std::move(item));
  }
  return items;
}

void expect_likelihoods(const std::vector<Continuations>& items, size_t max_batch, size_t pages) {
  FakeExecutor executor(kVocab, max_batch, pages);
  size_t seen = 0;
  const Status status = score_continuations(
      executor, kVocab, items, [&](size_t item, std::span<const Likelihood> likelihoods) {
        EXPECT_EQ(item, seen++);
        EXPECT_EQ(likelihoods.size(), items[item].texts.size());
        for (size_t t = 0; t < likelihoods.size(); ++t) {
          const Likelihood expected = plain(items[item].context, items[item].texts[t]);
          EXPECT_EQ(likelihoods[t].log_likelihood, expected.log_likelihood);
          EXPECT_EQ(likelihoods[t].greedy, expected.greedy);
        }
        EXPECT_TRUE(likelihoods.back().greedy);
        return Status();
      });
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(seen, items.size());
  EXPECT_EQ(executor.kv_pool().free_pages(), pages);
}

TEST(Continuations, AgreeWithTheDefinitionWhateverTheBatch) {
  for (const size_t longest : {8, 80, 600}) {
    const std::vector<Continuations> items = some_items(longest);
    for (const size_t max_batch : {1, 7, 64}) {
      for (const size_t pages : {4, 9, 200}) {
        expect_likelihoods(items, max_batch, pages);
      }
    }
  }
}

TEST(Continuations, TheContextIsComputedOnce) {
  FakeExecutor executor(kVocab, 64, 20);
  const std::vector<Continuations> items = {
      {some_text(50, 1), {some_text(3, 2), some_text(3, 3), some_text(1, 4)}}};
  ASSERT_TRUE(score_continuations(executor, kVocab, items, [](size_t, auto) { return Status(); })
                  .ok());
  EXPECT_EQ(executor.batch_sizes, (std::vector<size_t>{50, 2 + 2}));
}

TEST(Continuations, RefusesWhatItCannotScore) {
  FakeExecutor executor(kVocab, 64, 2);
  const auto code = [&](Continuations item) {
    return score_continuations(executor, kVocab, {&item, 1}, [](size_t, auto) { return Status(); })
        .code();
  };
  EXPECT_EQ(code({{1}, {{2}}}), Code::kOk);
  EXPECT_EQ(code({{}, {{2}}}), Code::kInvalidArgument);
  EXPECT_EQ(code({{1}, {{2}, {}}}), Code::kInvalidArgument);
  EXPECT_EQ(code({{1}, {{30}}}), Code::kInvalidArgument);
  EXPECT_EQ(code({{-1}, {{2}}}), Code::kInvalidArgument);
  EXPECT_EQ(code({some_text(600, 0), {{2}}}), Code::kOutOfPages);
}

TEST(Continuations, StopsWhenCancelledAndAtErrors) {
  const std::vector<Continuations> items = some_items(80);
  const auto done = [](size_t, std::span<const Likelihood>) { return Status(); };
  FakeExecutor executor(kVocab, 8, 9);
  CancelFlag cancel;
  executor.before_pass = [&](size_t pass) {
    if (pass == 2) {
      cancel.cancel();
    }
  };
  EXPECT_EQ(score_continuations(executor, kVocab, items, done, {}, &cancel).code(),
            Code::kCancelled);
  executor.before_pass = nullptr;
  executor.make_logits = [](const Tokens&) { return std::vector<float>(kVocab, NAN); };
  EXPECT_EQ(score_continuations(executor, kVocab, items, done).code(), Code::kNotFinite);
  FakeExecutor other(kVocab, 8, 9);
  EXPECT_EQ(score_continuations(other, kVocab, items,
                                [](size_t, auto) { return Status(Code::kIoError, "full"); })
                .code(),
            Code::kIoError);
}

}  // namespace
}  // namespace rotor
