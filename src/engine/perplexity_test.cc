// SPDX-License-Identifier: Apache-2.0
// Scores against a direct computation; windows, begin-of-text, chunks and refusals.
#include "engine/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/fake_executor.h"
#include "engine/log_softmax.h"

namespace rotor {
namespace {

constexpr size_t kVocab = 30;
using Tokens = std::vector<TokenId>;

Tokens some_text(size_t length) {
  Tokens tokens;
  for (size_t i = 0; i < length; ++i) {
    tokens.push_back(static_cast<TokenId>(i * i % 29));
  }
  return tokens;
}

// -ln(probability) of `target` after `context`.
double nats_of(const Tokens& context, TokenId target) {
  const std::vector<float> logits = fake_logits(context, kVocab);
  return -log_softmax(logits)(logits[static_cast<size_t>(target)]);
}

// The definition: token i of a text with `bos` before it, seen from the start of its window.
std::vector<double> plain_scores(const Tokens& text, size_t window, TokenId bos) {
  std::vector<double> nats;
  const size_t first = bos == kNoToken ? 1 : 0;
  for (size_t i = first; i < text.size(); ++i) {
    const size_t begin = i - (i - first) % window;
    Tokens context = {bos == kNoToken ? text[begin - 1] : bos};
    context.insert(context.end(), text.begin() + static_cast<ptrdiff_t>(begin),
                   text.begin() + static_cast<ptrdiff_t>(i));
    nats.push_back(nats_of(context, text[i]));
  }
  return nats;
}

TEST(Perplexity, AgreesWithTheDefinitionAtEveryChunk) {
  const Tokens text = some_text(143);
  for (const TokenId bos : {kNoToken, TokenId{29}}) {
    for (const size_t window : {1, 20, 143, 1000}) {
      const std::vector<double> nats = plain_scores(text, window, bos);
      for (const size_t max_batch : {1, 6, 64}) {
        FakeExecutor executor(kVocab, max_batch, 4);
        const auto result = score_tokens(executor, text, {kVocab, window, bos});
        ASSERT_TRUE(result.ok()) << result.status().message();
        EXPECT_EQ(result->tokens, bos == kNoToken ? 142u : 143u);
        EXPECT_EQ(result->tokens, nats.size());
        EXPECT_EQ(result->nats, std::accumulate(nats.begin(), nats.end(), 0.0));
        EXPECT_EQ(executor.kv_pool().free_pages(), 4u);
      }
    }
  }
}

// The definition of llama-perplexity, chunk by chunk.
std::vector<double> second_halves(const Tokens& text, size_t context, TokenId bos) {
  std::vector<double> nats;
  for (size_t begin = 0; begin + context <= text.size(); begin += context) {
    for (size_t i = context / 2; i + 1 < context; ++i) {
      Tokens seen(text.begin() + static_cast<ptrdiff_t>(begin),
                  text.begin() + static_cast<ptrdiff_t>(begin + i + 1));
      seen[0] = bos == kNoToken ? seen[0] : bos;
      nats.push_back(nats_of(seen, text[begin + i + 1]));
    }
  }
  return nats;
}

// The definition of transformers' guide: what the window before did not hold, but no first token.
std::vector<double> strided(const Tokens& text, size_t context, size_t stride) {
  std::vector<double> nats;
  size_t previous_end = 0;
  for (size_t begin = 0;; begin += stride) {
    const size_t end = std::min(begin + context, text.size());
    for (size_t i = std::max(previous_end, begin + 1); i < end; ++i) {
      nats.push_back(nats_of(Tokens(text.begin() + static_cast<ptrdiff_t>(begin),
                                    text.begin() + static_cast<ptrdiff_t>(i)),
                             text[i]));
    }
    previous_end = end;
    if (end == text.size()) {
      return nats;
    }
  }
}

void expect_scores(const Tokens& text, const PerplexityOptions& options,
                   const std::vector<double>& nats) {
  for (const size_t max_batch : {1, 7, 64}) {
    FakeExecutor executor(kVocab, max_batch, 4);
    size_t visited = 0;
    const auto result = score_tokens(
        executor, text, options, {}, nullptr, [&](const ScoredToken& scored) {
          const float logit = scored.logits[static_cast<size_t>(scored.token)];
          EXPECT_EQ(-scored.log_probability(logit), nats.at(visited++));
          return Status();
        });
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(result->tokens, nats.size());
    EXPECT_EQ(visited, nats.size());
    EXPECT_EQ(result->nats, std::accumulate(nats.begin(), nats.end(), 0.0));
    EXPECT_EQ(executor.kv_pool().free_pages(), 4u);
  }
}

TEST(Perplexity, SecondHalvesOfChunks) {
  const Tokens text = some_text(143);
  for (const TokenId bos : {kNoToken, TokenId{29}}) {
    for (const size_t context : {3, 4, 20, 47, 143}) {
      const std::vector<double> nats = second_halves(text, context, bos);
      EXPECT_EQ(nats.size(), 143 / context * (context - 1 - context / 2));
      expect_scores(text, {kVocab, context, bos, PerplexityMethod::kSecondHalf}, nats);
    }
  }
}

TEST(Perplexity, StridedWindows) {
  const Tokens text = some_text(143);
  for (const size_t context : {2, 20, 47, 142, 143, 500}) {
    for (const size_t stride : {size_t{1}, size_t{11}, size_t{20}, context}) {
      if (stride <= context) {
        const std::vector<double> nats = strided(text, context, stride);
        if (stride < context) {
          EXPECT_EQ(nats.size(), 142u) << "every token but the first, once";
        }
        expect_scores(text, {kVocab, context, kNoToken, PerplexityMethod::kStride, stride}, nats);
      }
    }
  }
}

TEST(Perplexity, TheFirstWindowsAlone) {
  const Tokens text = some_text(143);
  std::vector<double> nats = second_halves(text, 20, 29);
  nats.resize(3 * 9);
  expect_scores(text, {kVocab, 20, 29, PerplexityMethod::kSecondHalf, 0, 3}, nats);
  nats = plain_scores(text, 20, 29);
  nats.resize(40);
  expect_scores(text, {kVocab, 20, 29, PerplexityMethod::kWindows, 0, 2}, nats);
}

TEST(Perplexity, AnErrorOfTheVisitorEndsTheWork) {
  FakeExecutor executor(kVocab, 64, 4);
  const auto result = score_tokens(executor, some_text(100), {kVocab, 10, 29}, {}, nullptr,
                                   [](const ScoredToken&) { return Status(Code::kIoError, "full"); });
  EXPECT_EQ(result.status().code(), Code::kIoError);
  EXPECT_EQ(executor.batch_sizes.size(), 1u);
}

TEST(Perplexity, ErrorIsTheStandardErrorOfTheMean) {
  const Tokens text = some_text(100);
  const std::vector<double> nats = plain_scores(text, 512, 29);
  double mean = 0, variance = 0;
  for (const double value : nats) {
    mean += value / 100;
  }
  for (const double value : nats) {
    variance += (value - mean) * (value - mean) / 99;
  }
  FakeExecutor executor(kVocab, 64, 4);
  const auto result = score_tokens(executor, text, {kVocab, 512, 29});
  EXPECT_NEAR(result->mean(), mean, 1e-12);
  EXPECT_NEAR(result->standard_error, std::sqrt(variance / 100), 1e-12);
  EXPECT_NEAR(result->perplexity(), std::exp(mean), 1e-10);
  EXPECT_NEAR(result->perplexity_error(), std::exp(mean) * std::sqrt(variance / 100), 1e-10);
  EXPECT_NEAR(result->bits_per_byte(300), mean * 100 / std::log(2.0) / 300, 1e-12);
}

TEST(Perplexity, AUniformModelHasThePerplexityOfItsVocabulary) {
  FakeExecutor executor(kVocab, 64, 4);
  executor.make_logits = [](const Tokens&) { return std::vector<float>(kVocab, 0.25f); };
  const auto result = score_tokens(executor, some_text(50), {kVocab, 10, kNoToken});
  EXPECT_NEAR(result->perplexity(), 30, 1e-12);
  EXPECT_NEAR(result->standard_error, 0, 1e-8);
}

TEST(Perplexity, ProgressEndsAtTheTotal) {
  FakeExecutor executor(kVocab, 64, 4);
  uint64_t last = 0;
  ASSERT_TRUE(score_tokens(executor, some_text(55), {kVocab, 10, kNoToken},
                           [&](std::string_view, uint64_t done, uint64_t total) {
                             EXPECT_GT(done, last);
                             EXPECT_EQ(total, 55u);
                             last = done;
                           })
                  .ok());
  EXPECT_EQ(last, 55u);
  ASSERT_TRUE(score_tokens(executor, some_text(55),
                           {kVocab, 10, kNoToken, PerplexityMethod::kSecondHalf},
                           [&](std::string_view, uint64_t done, uint64_t) { last = done; })
                  .ok());
  EXPECT_EQ(last, 55u) << "what is left over counts as done";
}

TEST(Perplexity, RefusesWhatItCannotScore) {
  FakeExecutor executor(kVocab, 64, 4);
  const auto code = [&](const Tokens& text, const PerplexityOptions& options) {
    return score_tokens(executor, text, options).status().code();
  };
  EXPECT_EQ(code({}, {kVocab, 10, 1}), Code::kInvalidArgument);
  EXPECT_EQ(code({5}, {kVocab, 10, kNoToken}), Code::kInvalidArgument);
  EXPECT_EQ(code({5}, {kVocab, 10, 1}), Code::kOk);
  EXPECT_EQ(code({5, 30}, {kVocab, 10, 1}), Code::kInvalidArgument);
  EXPECT_EQ(code({5, -1}, {kVocab, 10, 1}), Code::kInvalidArgument);
  EXPECT_EQ(code({5, 6}, {kVocab, 10, 30}), Code::kInvalidArgument);
  EXPECT_EQ(code({5, 6}, {kVocab, 0, 1}), Code::kInvalidArgument);
  EXPECT_EQ(code(some_text(2000), {kVocab, 2000, 1}), Code::kOutOfPages);
  constexpr PerplexityMethod kHalf = PerplexityMethod::kSecondHalf;
  EXPECT_EQ(code(some_text(19), {kVocab, 20, 1, kHalf}), Code::kInvalidArgument);
  EXPECT_EQ(code(some_text(20), {kVocab, 20, 1, kHalf}), Code::kOk);
  EXPECT_EQ(code(some_text(20), {kVocab, 2, 1, kHalf}), Code::kInvalidArgument);
  constexpr PerplexityMethod kStride = PerplexityMethod::kStride;
  EXPECT_EQ(code(some_text(20), {kVocab, 10, 1, kStride, 0}), Code::kInvalidArgument);
  EXPECT_EQ(code(some_text(20), {kVocab, 10, 1, kStride, 11}), Code::kInvalidArgument);
  EXPECT_EQ(code(some_text(1), {kVocab, 10, 1, kStride, 5}), Code::kInvalidArgument);
}

TEST(Perplexity, StopsWhenCancelledOrNotFinite) {
  FakeExecutor executor(kVocab, 8, 4);
  CancelFlag cancel;
  executor.before_pass = [&](size_t pass) {
    if (pass == 2) {
      cancel.cancel();
    }
  };
  EXPECT_EQ(score_tokens(executor, some_text(50), {kVocab, 10, 1}, {}, &cancel).status().code(),
            Code::kCancelled);
  executor.before_pass = nullptr;
  executor.make_logits = [](const Tokens&) { return std::vector<float>(kVocab, NAN); };
  EXPECT_EQ(score_tokens(executor, some_text(50), {kVocab, 10, 1}).status().code(),
            Code::kNotFinite);
}

}  // namespace
}  // namespace rotor
