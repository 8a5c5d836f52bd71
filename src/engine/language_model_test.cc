// SPDX-License-Identifier: Apache-2.0
// The public entrance on the tiny models of tests/fixtures.
#include <rotor/language_model.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/test_lora.h"

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

TEST(LanguageModel, HasACacheOfTheTypeAskedFor) {
  std::vector<std::vector<float>> rows;
  for (const char* kv : {"f16", "f32", "bf16", "int8"}) {
    Result<LanguageModel> model = LanguageModel::open("synthetic:tiny", {.threads = 1, .kv = kv});
    ASSERT_TRUE(model.ok()) << model.status().message();
    const std::vector<TokenId> tokens = {1, 2, 3, 4};
    rows.emplace_back();
    ASSERT_TRUE(model->logits(tokens, [&](size_t, auto row) {
      rows.back().assign(row.begin(), row.end());
    }).ok());
    EXPECT_EQ(std::count(rows.begin(), rows.end(), rows.back()), 1) << kv;
  }
  EXPECT_EQ(LanguageModel::open("synthetic:tiny", {.kv = "f8"}).status().code(),
            Code::kInvalidArgument);
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

TEST(LanguageModel, EachRequestHasItsAdapters) {
  Result<LanguageModel> model = LanguageModel::open("synthetic:tiny", {.threads = 2});
  ASSERT_TRUE(model.ok()) << model.status().message();
  const ModelConfig config = open_model_source("synthetic:tiny", {})->config;
  const test::TestFolder one;
  const test::TestFolder two;
  test::random_lora(config, 4, 8, test::all_places(config)).write(one);
  test::random_lora(config, 2, 8, {{0, LinearRole::kV}}, FloatType::kBf16, 2).write(two);
  const auto first = model->load_lora(one.path());
  const auto second = model->load_lora(two.path());
  ASSERT_TRUE(first.ok() && second.ok()) << first.status().message() << second.status().message();
  const auto written = [&](std::optional<LoraSet> lora) {
    GenerationRequest request = greedy({1, 2, 3}, 8);
    request.lora = std::move(lora);
    const Result<GenerationResult> result = model->generate(request);
    EXPECT_TRUE(result.ok()) << result.status().message();
    return result.ok() ? result->answers.at(0).tokens : std::vector<TokenId>();
  };
  const std::vector<TokenId> plain = written(std::nullopt);
  const std::vector<TokenId> adapted = written(LoraSet{{*first}});
  EXPECT_NE(adapted, plain);
  EXPECT_NE(written(LoraSet{{*first, 0.5f}, {*second}}), adapted);
  EXPECT_EQ(written(LoraSet()), plain);
  ASSERT_TRUE(model->set_lora({{*first}}).ok());
  EXPECT_EQ(written(std::nullopt), adapted);
  EXPECT_EQ(written(LoraSet()), plain);
  const auto last_token = [&] {
    TokenId likeliest = 0;
    EXPECT_TRUE(model->logits(std::vector<TokenId>{1, 2, 3}, [&](size_t, std::span<const float> row) {
      likeliest = static_cast<TokenId>(std::max_element(row.begin(), row.end()) - row.begin());
    }).ok());
    return likeliest;
  };
  EXPECT_EQ(last_token(), adapted.front());
  ASSERT_TRUE(model->set_lora({}).ok());
  EXPECT_EQ(last_token(), plain.front());

  EXPECT_EQ(model->load_lora(one.path("none")).status().code(), Code::kNotFound);
  EXPECT_EQ(model->set_lora({{nullptr}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(model->set_lora({{*first, NAN}}).code(), Code::kInvalidArgument);
  GenerationRequest request = greedy({1, 2, 3}, 1);
  request.lora = LoraSet{{nullptr}};
  EXPECT_EQ(model->generate(request).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(written(std::nullopt), plain);
}

}  // namespace
}  // namespace rotor
