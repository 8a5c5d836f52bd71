// SPDX-License-Identifier: Apache-2.0
// Biases and penalties, value by value, and what they refuse.
#include "engine/logit_adjust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rotor {
namespace {

using ::testing::HasSubstr;
using Floats = std::vector<float>;
using Tokens = std::vector<TokenId>;

Floats adjusted(const SamplingParams& params, const Floats& logits, const Tokens& history = {}) {
  EXPECT_TRUE(validate(params, logits.size()).ok());
  LogitAdjuster adjust(params, logits.size());
  const Result<std::span<const float>> row = adjust.apply(logits, history);
  EXPECT_TRUE(row.ok()) << row.status().message();
  std::vector<TokenLogit> list;
  for (size_t i = 0; i < logits.size(); ++i) {
    list.push_back({logits[i], static_cast<TokenId>(i)});
  }
  LogitAdjuster adjust_list(params, logits.size());
  const auto listed = adjust_list.apply(list, history);
  EXPECT_TRUE(listed.ok()) << listed.status().message();
  for (size_t i = 0; row.ok() && i < logits.size(); ++i) {
    EXPECT_EQ((*row)[i], (*listed)[i].logit) << "token " << i << " as one of a list";
  }
  return row.ok() ? Floats(row->begin(), row->end()) : Floats();
}

Status refusal(const SamplingParams& params, const Floats& logits, const Tokens& history = {}) {
  return LogitAdjuster(params, logits.size()).apply(logits, history).status();
}

TEST(LogitAdjuster, WithoutChangesTheLogitsAreNotCopied) {
  const Floats logits = {1, 2};
  LogitAdjuster adjust(SamplingParams{}, 2);
  EXPECT_EQ(adjust.apply(logits, Tokens{0})->data(), logits.data());
}

TEST(LogitAdjuster, BansMayBeThereBefore) {
  SamplingParams params;
  params.logit_bias = {{0, 3.0f}, {1, -INFINITY}};
  params.repeat_penalty = 2.0f;
  LogitAdjuster adjust(params, 4);
  const Floats logits = {-INFINITY, 1, 4, -INFINITY};
  const auto row = adjust.apply(logits, Tokens{2, 3}, true);
  ASSERT_TRUE(row.ok()) << row.status().message();
  EXPECT_EQ(Floats(row->begin(), row->end()), (Floats{-INFINITY, -INFINITY, 2, -INFINITY}));
  EXPECT_EQ(adjust.apply(logits, {}).status().code(), Code::kNotFinite) << "unless it is said";
  for (const float value : {INFINITY, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_EQ(adjust.apply(Floats{0, 0, value, 0}, {}, true).status().code(), Code::kNotFinite);
  }
  const Floats none_left = {-INFINITY, 1, -INFINITY, -INFINITY};
  EXPECT_EQ(adjust.apply(none_left, {}, true).status().code(), Code::kInvalidArgument);
}

TEST(LogitAdjuster, BiasesMoveAndBan) {
  SamplingParams params;
  params.logit_bias = {{2, 10.0f}, {0, -INFINITY}};
  EXPECT_EQ(adjusted(params, {1, 5, 2}), (Floats{-INFINITY, 5, 12}));
}

TEST(LogitAdjuster, EverythingBannedIsAnError) {
  SamplingParams params;
  params.logit_bias = {{0, -INFINITY}, {1, -INFINITY}};
  EXPECT_EQ(refusal(params, {1, 2}).code(), Code::kInvalidArgument);
}

TEST(LogitAdjuster, RepeatPenaltyDividesPositiveAndMultipliesNegative) {
  SamplingParams params;
  params.repeat_penalty = 2;
  EXPECT_EQ(adjusted(params, {4, -3, 1}, {0, 1}), (Floats{2, -6, 1}));
  EXPECT_EQ(adjusted(params, {4, -3, 1}, {0, 0, 0}), (Floats{2, -3, 1}));  // once, however often
}

TEST(LogitAdjuster, PresenceCountsOnceFrequencyEachTime) {
  SamplingParams params;
  params.presence_penalty = 1.5f;
  EXPECT_EQ(adjusted(params, {4, 3}, {0, 0, 0}), (Floats{2.5f, 3}));
  params.frequency_penalty = 0.5f;
  EXPECT_EQ(adjusted(params, {4, 3}, {0, 0, 0}), (Floats{1, 3}));
  params.presence_penalty = -1;
  EXPECT_EQ(adjusted(params, {4, 3}, {1}), (Floats{4, 3.5f}));
}

TEST(LogitAdjuster, PenaltiesComeAfterBiasesAndLeaveBansAlone) {
  SamplingParams params;
  params.repeat_penalty = 2;
  params.logit_bias = {{0, 2.0f}, {1, -INFINITY}};
  EXPECT_EQ(adjusted(params, {4, 3, 1}, {0, 1}), (Floats{3, -INFINITY, 1}));
}

TEST(LogitAdjuster, PenaltiesForgetWhatIsFarBack) {
  SamplingParams params;
  params.repeat_penalty = 2;
  params.repeat_last_n = 2;
  EXPECT_EQ(adjusted(params, {4, 3, 1}, {0, 2, 1}), (Floats{4, 1.5f, 0.5f}));
  params.repeat_last_n = -1;
  EXPECT_EQ(adjusted(params, {4, 3, 1}, {0, 2, 1}), (Floats{2, 1.5f, 0.5f}));
  params.repeat_last_n = 0;
  EXPECT_EQ(adjusted(params, {4, 3, 1}, {0, 2, 1}), (Floats{4, 3, 1}));
}

TEST(LogitAdjuster, NothingStaysForTheNextCall) {
  SamplingParams params;
  params.frequency_penalty = 1;
  LogitAdjuster adjust(params, 2);
  const Floats logits = {4, 3};
  EXPECT_EQ((*adjust.apply(logits, Tokens{0, 0}))[0], 2);
  EXPECT_EQ((*adjust.apply(logits, Tokens{0}))[0], 3);
  EXPECT_FALSE(adjust.apply(logits, Tokens{0, 7}).ok());
  EXPECT_EQ((*adjust.apply(logits, Tokens{0}))[0], 3);
}

TEST(LogitAdjuster, NonFiniteLogitsAreRefusedByName) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const Status status = refusal(SamplingParams{}, {1, bad, 2});
    EXPECT_EQ(status.code(), Code::kNotFinite);
    EXPECT_THAT(status.message(), HasSubstr("token 1"));
  }
}

TEST(LogitAdjuster, OverflowIsReported) {
  SamplingParams params;
  params.frequency_penalty = -std::numeric_limits<float>::max();
  EXPECT_EQ(refusal(params, {1, 2}, {0, 0}).code(), Code::kNotFinite);
  params.frequency_penalty = 0;
  params.logit_bias = {{1, std::numeric_limits<float>::max()}};
  EXPECT_EQ(refusal(params, {1, 3e38f}).code(), Code::kNotFinite);
}

TEST(LogitAdjuster, HistoryOutsideTheVocabularyIsRefused) {
  SamplingParams params;
  params.repeat_penalty = 2;
  EXPECT_EQ(refusal(params, {1, 2}, {0, 2}).code(), Code::kInvalidArgument);
  EXPECT_EQ(refusal(params, {1, 2}, {-1, 0}).code(), Code::kInvalidArgument);
}

TEST(LogitAdjuster, ARowOfAnotherSizeIsRefused) {
  SamplingParams params;
  params.repeat_penalty = 2;
  LogitAdjuster adjust(params, 3);
  EXPECT_EQ(adjust.apply(Floats{1, 2}, Tokens{}).status().code(), Code::kInternal);
}

}  // namespace
}  // namespace rotor
