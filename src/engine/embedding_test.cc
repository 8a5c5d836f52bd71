// SPDX-License-Identifier: Apache-2.0
#include "engine/embedding.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/model.h"

namespace rotor {
namespace {

using Floats = std::vector<float>;

// Hidden states are (the token's position, the token); chunks are as long as was asked for.
class HiddenExecutor final : public Executor {
 public:
  size_t max_batch() const override { return 4; }
  KvPool& kv_pool() override { return pool_; }
  Status forward(const Batch& batch, const CancelFlag*) override {
    passes_.push_back(batch.rows.size());
    rows_.clear();
    for (const BatchRow& row : batch.rows) {
      EXPECT_EQ(row.sequence->length(), batch.rows.back().position + 1);
      EXPECT_TRUE(row.hidden_alone);
      if (row.wants_logits) {
        rows_.push_back({static_cast<float>(row.position), static_cast<float>(row.token)});
      }
    }
    return passes_.size() < fails_at_ ? Status() : Status(Code::kCancelled, "cancelled");
  }
  RowLogits logits(size_t) override { return {}; }
  std::span<const float> hidden(size_t i) override { return rows_.at(i); }
  void set_trace(TraceHook*) override {}

  std::vector<size_t> passes_;
  size_t fails_at_ = SIZE_MAX;

 private:
  static ModelConfig config() {
    ModelConfig config;
    config.layers = config.heads = config.kv_heads = 1;
    config.head_dim = 2;
    return config;
  }

  KvPool pool_ = *KvPool::create(config(), KvType::kF32, 2);
  std::vector<Floats> rows_;
};

const std::vector<TokenId> kTokens = {9, 8, 7, 6, 5, 4, 3, 2, 1};

TEST(Embedding, EveryRowFromTheFirstThatIsWanted) {
  for (size_t first = 0; first < kTokens.size(); ++first) {
    HiddenExecutor executor;
    size_t next = first;
    const auto status = compute_hidden(executor, kTokens, first, 4, nullptr,
                                       [&](size_t i, std::span<const float> hidden) {
                                         EXPECT_EQ(i, next++);
                                         EXPECT_EQ(hidden[0], static_cast<float>(i));
                                         EXPECT_EQ(hidden[1], static_cast<float>(kTokens[i]));
                                       });
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(next, kTokens.size());
    EXPECT_EQ(executor.passes_, (std::vector<size_t>{4, 4, 1}));
  }
}

TEST(Embedding, TheLastTokensVector) {
  HiddenExecutor executor;
  EXPECT_EQ(*embed_tokens(executor, kTokens, 9, 3, nullptr), (Floats{8, 1}));
  EXPECT_EQ(executor.passes_, (std::vector<size_t>{3, 3, 3}));
  EXPECT_EQ(embed_tokens(executor, kTokens, 8, 3, nullptr).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(embed_tokens(executor, {}, 8, 3, nullptr).status().code(), Code::kInvalidArgument);
  executor.fails_at_ = executor.passes_.size() + 2;
  EXPECT_EQ(embed_tokens(executor, kTokens, 9, 3, nullptr).status().code(), Code::kCancelled);
}

TEST(Embedding, LengthsBecomeOne) {
  Floats vector = {3, -4};
  normalize(vector);
  EXPECT_EQ(vector, (Floats{0.6f, -0.8f}));
  Floats zeros = {0, 0};
  normalize(zeros);
  EXPECT_EQ(zeros, (Floats{0, 0}));
  Floats large = {3e38f, 3e38f};  // whose squares are infinite in binary32
  normalize(large);
  EXPECT_FLOAT_EQ(large[0], std::sqrt(0.5f));
}

TEST(Embedding, PoolingThatIsNotTheLastTokens) {
  Model model;
  model.config.pooling = Pooling::kUnstated;
  EXPECT_TRUE(check_pooling(model).ok());
  model.config.pooling = Pooling::kLast;
  EXPECT_TRUE(check_pooling(model).ok());
  model.config.pooling = Pooling::kMean;
  EXPECT_EQ(check_pooling(model).code(), Code::kUnsupported);
}

}  // namespace
}  // namespace rotor
