// SPDX-License-Identifier: Apache-2.0
// The public entrance on the tiny models of tests/fixtures.
#include <rotor/language_model.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

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

TEST(LanguageModel, TellsWhatIsMissing) {
  const Result<LanguageModel> none = LanguageModel::open("/no/such/model.rotor");
  EXPECT_EQ(none.status().code(), Code::kNotFound) << none.status().message();
  const Result<LanguageModel> silent = LanguageModel::open("synthetic:tiny", {.threads = 1});
  ASSERT_TRUE(silent.ok()) << silent.status().message();
  EXPECT_EQ(silent->encode("a").status().code(), Code::kUnsupported);
}

}  // namespace
}  // namespace rotor
