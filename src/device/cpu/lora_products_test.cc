// SPDX-License-Identifier: Apache-2.0
// Products with adapters against their formula in the order of docs/numerics.md, and adapters in a
// model: what a row gets does not depend on the rows beside it.
#include "device/cpu/lora_products.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/cpu_features.h"
#include "base/half.h"
#include "device/cpu/cpu_executor.h"
#include "kernels/scalar/arithmetic.h"
#include "model/loader.h"
#include "model/test_lora.h"
#include "model/test_model.h"

namespace rotor {
namespace {

using Adapter = std::shared_ptr<const LoraAdapter>;

Adapter adapter_of(const ModelConfig& model, size_t rank, FloatType type, uint32_t seed,
                   std::vector<std::pair<size_t, LinearRole>> places) {
  const auto adapter =
      test::random_lora(model, rank, 3.0 * static_cast<double>(rank), places, type, seed).open(model);
  EXPECT_TRUE(adapter.ok()) << adapter.status().message();
  return *adapter;
}

std::shared_ptr<const LoraSet> set_of(LoraSet set) {
  return std::make_shared<const LoraSet>(std::move(set));
}

float value_at(const std::byte* data, FloatType type, size_t i) {
  if (type == FloatType::kF32) {
    return reinterpret_cast<const float*>(data)[i];
  }
  const uint16_t bits = reinterpret_cast<const uint16_t*>(data)[i];
  return type == FloatType::kF16 ? f16_to_float(bits) : bf16_to_float(bits);
}

float dot(const std::byte* data, FloatType type, size_t row, const std::vector<float>& x) {
  return kernels::ordered_sum(
      x.size(), [&](size_t c) { return value_at(data, type, row * x.size() + c) * x[c]; });
}

// out + B (A x) scaling for one adapter after the other.
std::vector<float> expected(std::vector<float> out, const LoraSet& set, LinearRole role,
                            const std::vector<float>& x) {
  for (const Lora& lora : set) {
    const LowRank& low = lora.adapter->of(0, role);
    const float scaling = static_cast<float>(low.scaling * double{lora.scale});
    std::vector<float> reduced(low.rank);
    for (size_t r = 0; r < low.rank; ++r) {
      reduced[r] = dot(low.a, low.a_type, r, x);
    }
    for (size_t r = 0; low.rank != 0 && r < out.size(); ++r) {
      float sum = 0.0f;
      for (size_t j = 0; j < low.rank; ++j) {
        sum = sum + value_at(low.b, low.b_type, j * low.rows + r) * reduced[j];
      }
      out[r] = out[r] + sum * scaling;
    }
  }
  return out;
}

TEST(LoraProducts, FollowTheWrittenOrderHoweverTheyAreSharedOut) {
  ModelConfig config = test_config();
  config.hidden = 300;  // more than a block of a sum
  config.ffn = 530;
  const Adapter f32 = adapter_of(config, 5, FloatType::kF32, 1,
                                 {{0, LinearRole::kGate}, {0, LinearRole::kUp}});
  const Adapter f16 = adapter_of(config, 2, FloatType::kF16, 2, {{0, LinearRole::kUp}});
  const Adapter bf16 = adapter_of(config, 20, FloatType::kBf16, 3,
                                  {{0, LinearRole::kGate}, {0, LinearRole::kUp}});
  KvPool pool = *KvPool::create(config, KvType::kF32, 8);
  std::vector<KvSequence> sequences;
  for (const auto& set : {set_of({{f32, 1.0f}}), set_of({}),
                          set_of({{f16, 0.5f}, {bf16, -1.5f}, {f32, 1.0f}})}) {
    sequences.emplace_back(&pool).set_lora(set);
  }
  Batch batch;
  for (const size_t owner : {0, 0, 1, 2, 2, 2, 0}) {
    for (size_t i = 0; i < 6; ++i) {  // runs that are longer than the kernels take at once
      batch.rows.push_back({&sequences[owner], 0, 0, false});
    }
  }
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  const size_t stride = 311;
  std::vector<float> x(batch.rows.size() * stride);
  std::generate(x.begin(), x.end(), [&] { return normal(random); });
  constexpr LinearRole kRoles[] = {LinearRole::kGate, LinearRole::kUp};
  for (const IsaLevel level : {IsaLevel::kScalar, cpu_features().best}) {
    for (const size_t parts : {1, 3}) {
      LoraProducts products(kernel_table(level));
      products.start(batch);
      EXPECT_TRUE(products.any());
      EXPECT_TRUE(products.adapts(0, kRoles));
      EXPECT_FALSE(products.adapts(1, kRoles));
      for (size_t part = 0; part < parts; ++part) {
        products.reduce(0, kRoles, x.data(), stride, config.hidden, part, parts);
      }
      for (size_t b = 0; b < batch.rows.size(); ++b) {
        const std::vector<float> row(x.begin() + static_cast<ptrdiff_t>(b * stride),
                                     x.begin() + static_cast<ptrdiff_t>(b * stride + config.hidden));
        const LoraSet* const set = batch.rows[b].sequence->lora();
        for (size_t place = 0; place < 2; ++place) {
          std::vector<float> out(config.ffn, 0.25f);
          const std::vector<float> want =
              set == nullptr ? out : expected(out, *set, kRoles[place], row);
          products.expand(0, kRoles[place], place, b, 0, 17, out.data());
          products.expand(0, kRoles[place], place, b, 17, config.ffn, out.data() + 17);
          ASSERT_EQ(out, want) << b;
          EXPECT_EQ(set != nullptr, out[3] != 0.25f);
        }
        std::vector<float> alone(config.ffn, 0.25f);
        LoraProducts other(kernel_table(level));
        other.start(batch);
        other.reduce_row(0, LinearRole::kUp, b, row.data(), config.hidden);
        other.expand(0, LinearRole::kUp, 0, b, 0, config.ffn, alone.data());
        ASSERT_EQ(alone, set == nullptr ? alone
                                        : expected(std::vector<float>(config.ffn, 0.25f), *set,
                                                   LinearRole::kUp, row));
      }
    }
  }
}

TEST(LoraProducts, NothingIsDoneWithoutAdapters) {
  const ModelConfig config = test_config();
  KvPool pool = *KvPool::create(config, KvType::kF32, 1);
  KvSequence sequence(&pool);
  sequence.set_lora(set_of({}));
  LoraProducts products(kernel_table(IsaLevel::kScalar));
  products.start({{{&sequence, 0, 0, false}}});
  constexpr LinearRole kRoles[] = {LinearRole::kQ};
  EXPECT_FALSE(products.any());
  EXPECT_FALSE(products.adapts(0, kRoles));
}

// A model of two layers, and an executor that takes three sequences.
class AdaptedModel : public testing::Test {
 protected:
  AdaptedModel() {
    ThreadPool pool(1);
    model_ = *load_model(test_source(config_), {}, pool);
    CpuExecutorOptions options;
    options.threads = 2;
    options.max_batch = 16;
    options.kv_sequences = 4;
    executor_ = *make_cpu_executor(model_, options);
    all_ = adapter_of(config_, 4, FloatType::kF32, 5, test::all_places(config_));
    some_ = adapter_of(config_, 3, FloatType::kBf16, 6,
                       {{0, LinearRole::kV}, {1, LinearRole::kDown}});
  }

  // Logits of the last of `tokens`, one pass.
  std::vector<float> logits(std::shared_ptr<const LoraSet> set) {
    KvSequence sequence(&executor_->kv_pool());
    sequence.set_lora(std::move(set));
    EXPECT_TRUE(sequence.extend(kTokens).ok());
    Batch batch;
    for (size_t i = 0; i < kTokens; ++i) {
      batch.rows.push_back({&sequence, i, static_cast<TokenId>(3 * i + 1), i + 1 == kTokens});
    }
    const Status status = executor_->forward(batch, nullptr);
    EXPECT_TRUE(status.ok()) << status.message();
    const auto row = executor_->logits(0).all;
    return {row.begin(), row.end()};
  }

  static constexpr size_t kTokens = 4;
  ModelConfig config_ = test_config();
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Executor> executor_;
  Adapter all_;
  Adapter some_;
};

TEST_F(AdaptedModel, SequencesWithAdaptersOfTheirOwnShareAPass) {
  const std::vector<std::shared_ptr<const LoraSet>> sets = {
      nullptr, set_of({{all_, 1.0f}}), set_of({{some_, 2.0f}, {all_, 0.5f}}), set_of({{some_, 1.0f}})};
  std::vector<std::vector<float>> alone;
  std::vector<KvSequence> sequences;
  Batch batch;
  sequences.reserve(sets.size());
  for (const auto& set : sets) {
    alone.push_back(logits(set));
    KvSequence& sequence = sequences.emplace_back(&executor_->kv_pool());
    sequence.set_lora(set);
    ASSERT_TRUE(sequence.extend(kTokens).ok());
    for (size_t i = 0; i < kTokens; ++i) {
      batch.rows.push_back({&sequence, i, static_cast<TokenId>(3 * i + 1), i + 1 == kTokens});
    }
  }
  ASSERT_TRUE(executor_->forward(batch, nullptr).ok());
  for (size_t i = 0; i < sets.size(); ++i) {
    const auto row = executor_->logits(i).all;
    EXPECT_EQ(std::vector<float>(row.begin(), row.end()), alone[i]) << i;
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(alone[i], alone[j]) << "adapters " << i << " and " << j << " do the same";
    }
  }
}

TEST_F(AdaptedModel, AScaleOfZeroIsTheModelItself) {
  EXPECT_EQ(logits(set_of({{all_, 0.0f}})), logits(nullptr));
}

TEST_F(AdaptedModel, AnAdapterOfAnotherModelIsRefusedAtTheDoor) {
  ModelConfig other = config_;
  other.ffn += 16;
  KvSequence sequence(&executor_->kv_pool());
  sequence.set_lora(set_of({{adapter_of(other, 2, FloatType::kF32, 1, {{0, LinearRole::kQ}}), 1.0f}}));
  ASSERT_TRUE(sequence.extend(1).ok());
  EXPECT_EQ(executor_->forward({{{&sequence, 0, 1, true}}}, nullptr).code(), Code::kInvalidArgument);
}

TEST_F(AdaptedModel, AnAdapterThatOverflowsIsAnError) {
  KvSequence sequence(&executor_->kv_pool());
  sequence.set_lora(set_of({{all_, 1e38f}}));
  ASSERT_TRUE(sequence.extend(1).ok());
  const Status status = executor_->forward({{{&sequence, 0, 1, true}}}, nullptr);
  EXPECT_EQ(status.code(), Code::kNotFinite);
}

}  // namespace
}  // namespace rotor
