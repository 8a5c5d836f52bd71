// SPDX-License-Identifier: Apache-2.0
// A head in two stages gives the logits of the full head and misses none, and a draw from it falls on
// the same token.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "device/cpu/cpu_executor.h"
#include "engine/sampler.h"
#include "identity_models.h"
#include "model/loader.h"

namespace rotor {
namespace {

class HeadIdentity : public testing::TestWithParam<IdentityModel> {
 protected:
  void SetUp() override {
    full_ = load(HeadMode::kFull);
    two_stage_ = load(HeadMode::kTwoStage);
    tokens_ = random_tokens(kTokens, GetParam().config.vocab, 20);
    options_.kv_type = GetParam().kv;
  }

  // Of three ways one for each model, by its turn; under a sanitizer only those `of_few`.
  static bool is_taken(size_t way, bool of_few) {
    const Extent extent = identity_extent();
    return extent == Extent::kMany ||
           ((way + GetParam().turn) % 3 == 0 && (extent == Extent::kSome || of_few));
  }

  static std::shared_ptr<const Model> load(HeadMode head) {
    ThreadPool pool(1);
    LoadOptions options;
    options.head = head;
    auto model = load_model(test_source(GetParam().config, GetParam().options), options, pool);
    EXPECT_TRUE(model.ok()) << model.status().message();
    return *std::move(model);
  }

  std::shared_ptr<const Model> full_;
  std::shared_ptr<const Model> two_stage_;
  Tokens tokens_;
  CpuExecutorOptions options_;
};

// The logits of every position, all or those of a query.
std::vector<std::vector<TokenLogit>> logits_of(Executor& executor, const Tokens& tokens, size_t chunk,
                                               const TopQuery* query) {
  std::vector<std::vector<TokenLogit>> logits;
  KvSequence sequence(&executor.kv_pool());
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const size_t end = std::min(tokens.size(), begin + chunk);
    EXPECT_TRUE(sequence.extend(end - begin).ok());
    Batch batch;
    for (size_t i = begin; i < end; ++i) {
      batch.rows.push_back({&sequence, i, tokens[i], true, i % 5 == 4 ? nullptr : query});
    }
    const Status status = executor.forward(batch, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    for (size_t i = 0; i < end - begin; ++i) {
      const RowLogits row = executor.logits(i);
      logits.emplace_back(row.top.begin(), row.top.end());
      for (size_t token = 0; token < row.all.size(); ++token) {
        logits.back().push_back({row.all[token], static_cast<TokenId>(token)});
      }
    }
  }
  return logits;
}

// Where a head in two stages gives a logit, it has the same bits, and no likelier token is missing.
TEST_P(HeadIdentity, GivesTheSameLogits) {
  const auto full = logits_of(**make_cpu_executor(full_, options_), tokens_, 100, nullptr);
  for (size_t level = 0; level < 32; ++level) {
    if ((cpu_features().supported >> level & 1u) == 0) {
      continue;
    }
    options_.isa = static_cast<IsaLevel>(level);
    for (const size_t threads : {1, 2, 3}) {
      for (size_t c = 0; c < 3; ++c) {
        if (!is_taken(level + threads + c, threads == 1 + level % 3)) {
          continue;
        }
        const size_t chunk = std::array<size_t, 3>{1, 2, 100}[c];
        options_.threads = threads;
        const auto executor = *make_cpu_executor(two_stage_, options_);
        const TopQuery query = {1 + chunk % 7, {5, 96}};
        const auto few = logits_of(*executor, tokens_, chunk, &query);
        EXPECT_GT(executor->head_counts().rows, executor->head_counts().unanswered);
        for (size_t i = 0; i < tokens_.size(); ++i) {
          for (const TokenLogit& entry : few[i]) {
            const TokenLogit& same = full[i][static_cast<size_t>(entry.token)];
            ASSERT_EQ(entry.logit, same.logit) << "level " << level << ", position " << i;
          }
          const auto top = [&](std::vector<TokenLogit> entries) {
            std::sort(entries.begin(), entries.end(), more_likely);
            entries.resize(query.count);
            return entries;
          };
          const auto expected = top(full[i]);
          const auto got = top(few[i]);
          for (size_t k = 0; k < query.count; ++k) {
            ASSERT_EQ(got[k].token, expected[k].token) << "level " << level << ", position " << i;
          }
        }
      }
    }
  }
}

// The tokens drawn after every prefix of `tokens`, as of three answers in turn.
Tokens draws_of(Executor& executor, const Tokens& tokens, size_t chunk, const SamplingParams& params,
                size_t vocab, bool ask) {
  Sampler sampler = *Sampler::create(params, vocab);
  Tokens drawn;
  KvSequence sequence(&executor.kv_pool());
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const size_t end = std::min(tokens.size(), begin + chunk);
    EXPECT_TRUE(sequence.extend(end - begin).ok());
    std::vector<TopQuery> queries(end - begin);
    Batch batch;
    const auto before = [&](size_t i) { return std::span<const TokenId>(tokens).first(i + 1); };
    for (size_t i = begin; i < end; ++i) {
      TopQuery& query = queries[i - begin];
      EXPECT_TRUE(sampler.query(before(i), static_cast<uint32_t>(i % 3), query));
      batch.rows.push_back({&sequence, i, tokens[i], true, ask ? &query : nullptr});
    }
    const Status status = executor.forward(batch, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    for (size_t i = begin; i < end; ++i) {
      const auto token =
          sampler.draw(executor.logits(i - begin), before(i), static_cast<uint32_t>(i % 3));
      EXPECT_TRUE(token.ok()) << token.status().message();
      drawn.push_back(token.ok() ? *token : kNoToken);
    }
  }
  return drawn;
}

// A draw by temperature alone falls on the same token whether all logits are computed or those that
// the bounds and the noise leave in question.
TEST_P(HeadIdentity, ADrawFallsOnTheSameToken) {
  const size_t vocab = GetParam().config.vocab;
  const auto full = *make_cpu_executor(full_, options_);
  constexpr std::array<float, 4> kTemperatures = {1e-3f, 0.3f, 1.0f, 3.0f};
  for (size_t t = 0; t < kTemperatures.size(); ++t) {
    const float temperature = kTemperatures[t];
    SamplingParams params;
    params.top_k = 0;
    params.top_p = 1;
    params.min_p = 0;
    params.temperature = temperature;
    params.seed = static_cast<uint64_t>(temperature * 1000);
    if (temperature > 0.5f) {
      params.repeat_last_n = 20;
      params.repeat_penalty = 1.3f;
      params.logit_bias = {{5, 2.0f}, {96, -INFINITY}};
    }
    Tokens expected;
    for (size_t c = 0; c < 3; ++c) {
      if (!is_taken(t + c, t == GetParam().turn % kTemperatures.size())) {
        continue;
      }
      if (expected.empty()) {
        expected = draws_of(*full, tokens_, 100, params, vocab, false);
      }
      const size_t chunk = std::array<size_t, 3>{1, 7, 100}[c];
      options_.threads = std::array<size_t, 3>{1, 3, 2}[c];
      const auto executor = *make_cpu_executor(two_stage_, options_);
      EXPECT_EQ(draws_of(*executor, tokens_, chunk, params, vocab, true), expected)
          << "temperature " << temperature << ", chunks of " << chunk;
      EXPECT_EQ(executor->head_counts().unanswered, 0u);
      EXPECT_EQ(executor->head_counts().rows, tokens_.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, HeadIdentity, testing::ValuesIn(identity_models()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace rotor
