// SPDX-License-Identifier: Apache-2.0
// The public entrance on the tiny models of tests/fixtures.
#include <rotor/language_model.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace rotor {
namespace {

GenerationRequest greedy(std::vector<TokenId> prompt, size_t tokens) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_new_tokens = tokens;
  request.sampling.temperature = 0;
  return request;
}

TEST(LanguageModel, WritesTheSameOnAnyNumberOfThreads) {
  std::vector<TokenId> first;
  for (const size_t threads : {1, 2, 3}) {
    Result<LanguageModel> model = LanguageModel::open("synthetic:tiny", {.threads = threads});
    ASSERT_TRUE(model.ok()) << model.status().message();
    const Result<GenerationResult> result = model->generate(greedy({1, 2, 3}, 8));
    ASSERT_TRUE(result.ok()) << result.status().message();
    const std::vector<TokenId>& tokens = result->answers.at(0).tokens;
    EXPECT_EQ(tokens.size(), 8u);
    if (first.empty()) {
      first = tokens;
    }
    EXPECT_EQ(tokens, first);
  }
}

TEST(LanguageModel, MovesWithItsSession) {
  Result<LanguageModel> opened = LanguageModel::open("synthetic:tiny", {.threads = 1});
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  LanguageModel model = *std::move(opened);
  const Result<GenerationResult> before = model.generate(greedy({5, 6, 7}, 4));
  ASSERT_TRUE(before.ok()) << before.status().message();
  LanguageModel moved = std::move(model);
  const Result<GenerationResult> after = moved.generate(greedy({5, 6, 7}, 4));
  ASSERT_TRUE(after.ok()) << after.status().message();
  EXPECT_EQ(after->answers[0].tokens, before->answers[0].tokens);
  EXPECT_GT(after->stats.cached_tokens, 0u);
}

TEST(LanguageModel, ContextIsTheLimit) {
  Result<LanguageModel> model = LanguageModel::open("synthetic:tiny", {.threads = 1, .context = 4});
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->context(), 4u);
  EXPECT_EQ(model->generate(greedy({1, 2, 3, 4, 5}, 1)).status().code(), Code::kInvalidArgument);
}

TEST(LanguageModel, LogitsAreThoseOfTheTokensItWrites) {
  Result<LanguageModel> model =
      LanguageModel::open("synthetic:tiny", {.threads = 2, .every_logit = true});
  ASSERT_TRUE(model.ok()) << model.status().message();
  std::vector<TokenId> tokens = {1, 2, 3};
  const Result<GenerationResult> result = model->generate(greedy(tokens, 200));
  ASSERT_TRUE(result.ok()) << result.status().message();
  const std::vector<TokenId>& written = result->answers[0].tokens;
  tokens.insert(tokens.end(), written.begin(), written.end() - 1);
  std::vector<TokenId> best;
  const Status status = model->logits(tokens, [&](size_t i, std::span<const float> row) {
    EXPECT_EQ(i, best.size());
    EXPECT_EQ(row.size(), model->vocabulary());
    best.push_back(static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin()));
  });
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(std::equal(written.begin(), written.end(), best.begin() + 2, best.end()));
}

TEST(LanguageModel, HiddenStatesAndVectors) {
  Result<LanguageModel> model = LanguageModel::open("synthetic:tiny", {.threads = 2});
  ASSERT_TRUE(model.ok()) << model.status().message();
  const std::vector<TokenId> tokens(200, 5);  // more than one pass
  std::vector<std::vector<float>> rows;
  const Status status = model->hidden_states(tokens, [&](size_t i, std::span<const float> row) {
    EXPECT_EQ(i, rows.size());
    rows.emplace_back(row.begin(), row.end());
  });
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_EQ(rows.size(), tokens.size());
  EXPECT_EQ(rows[0].size(), model->hidden_size());
  EXPECT_EQ(*model->embed(tokens, false), rows.back());
  const std::vector<float> vector = *model->embed(std::span(tokens).first(7));
  double square = 0;
  for (size_t i = 0; i < vector.size(); ++i) {
    square += double{vector[i]} * double{vector[i]};
    EXPECT_EQ(std::signbit(vector[i]), std::signbit(rows[6][i]));
  }
  EXPECT_NEAR(square, 1.0, 1e-6);
  EXPECT_EQ(model->embed({}).status().code(), Code::kInvalidArgument);
  const TokenId outside[] = {static_cast<TokenId>(model->vocabulary())};
  EXPECT_EQ(model->hidden_states(outside, {}).code(), Code::kInvalidArgument);
}

TEST(LanguageModel, LogitsEndWhenCancelled) {
  Result<LanguageModel> model = LanguageModel::open("synthetic:tiny", {.threads = 1});
  ASSERT_TRUE(model.ok()) << model.status().message();
  const std::vector<TokenId> tokens(300, 5);
  size_t calls = 0;
  const LogitsCallback stop = [&](size_t, std::span<const float>) {
    if (++calls == 3) {
      model->cancel();
    }
  };
  EXPECT_EQ(model->logits(tokens, stop).code(), Code::kCancelled);
  EXPECT_EQ(calls, 3u);
  EXPECT_EQ(model->logits({}, stop).code(), Code::kInvalidArgument);
  const TokenId outside[] = {static_cast<TokenId>(model->vocabulary())};
  EXPECT_EQ(model->logits(outside, stop).code(), Code::kInvalidArgument);
  model->cancel();  // nothing runs, so nothing ends
  EXPECT_EQ(model->generate(greedy({5}, 2))->answers[0].finish_reason, FinishReason::kLength);
}

TEST(LanguageModel, TellsWhatIsMissing) {
  const Result<LanguageModel> none = LanguageModel::open("/no/such/model.rotor");
  EXPECT_EQ(none.status().code(), Code::kNotFound) << none.status().message();
  const Result<LanguageModel> silent = LanguageModel::open("synthetic:tiny", {.threads = 1});
  ASSERT_TRUE(silent.ok()) << silent.status().message();
  EXPECT_EQ(silent->encode("a").status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace rotor
