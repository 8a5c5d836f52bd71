// SPDX-License-Identifier: Apache-2.0
// What is planned is what loading and the cache take.
#include "model/memory_plan.h"

#include <gtest/gtest.h>

#include "model/loader.h"
#include "model/test_model.h"

namespace rotor {
namespace {

uint64_t norm_bytes(const Weights& weights) {
  size_t values = weights.output_norm.size();
  for (const LayerWeights& layer : weights.layers) {
    values += layer.attn_norm.size() + layer.attn_sub_norm.size() + layer.ffn_norm.size() +
              layer.ffn_sub_norm.size();
  }
  return values * sizeof(float);
}

TEST(MemoryPlan, WeightsTakeWhatLoadingAllocates) {
  ThreadPool pool(1);
  for (size_t f = 0; f < kTernaryFormats; ++f) {
    for (const bool tied : {true, false}) {
      for (const FloatType type : {FloatType::kBf16, FloatType::kF32}) {
        ModelConfig config = test_config();
        config.tied_head = tied;
        config.attn_sub_norm = tied;
        LoadOptions options;
        options.format = static_cast<TernaryFormat>(f);
        const ModelSource source = test_source(config, {.embed = type});
        const MemoryPlan plan = plan_memory(source, options.format, KvType::kF16);
        const auto model = load_model(test_source(config, {.embed = type}), options, pool);
        ASSERT_TRUE(model.ok()) << model.status().message();
        const Weights& weights = (*model)->weights;
        EXPECT_EQ(plan.ternary_bytes, weights.packed.size());
        EXPECT_EQ(plan.embedding_bytes, weights.embed.data.size() + weights.head.data.size());
        EXPECT_EQ(plan.norm_bytes, norm_bytes(weights));
      }
    }
  }
}

TEST(MemoryPlan, ExpertsAndTheirRouterAreCounted) {
  ThreadPool pool(1);
  const ModelConfig config = experts_config();
  const MemoryPlan plan = plan_memory(test_source(config), TernaryFormat::kI2, KvType::kF16);
  const auto model = load_model(test_source(config), {}, pool);
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(plan.ternary_bytes, (*model)->weights.packed.size());
  EXPECT_EQ(plan.router_bytes, config.layers * config.experts * config.hidden * sizeof(float));
  EXPECT_EQ(plan.router_bytes, config.layers * (*model)->weights.layers[0].router.data.size());
  EXPECT_EQ(plan.total(0), plan.ternary_bytes + plan.embedding_bytes + plan.norm_bytes + plan.router_bytes);
  const LayerWeights& layer = (*model)->weights.layers[0];
  const uint64_t of_experts = layer.gate.matrix.bytes() + layer.up.matrix.bytes() + layer.down.matrix.bytes();
  EXPECT_EQ(plan.expert_bytes, config.layers * of_experts);
  EXPECT_EQ(matrix_bytes_of_token(plan, config),
            plan.ternary_bytes - plan.expert_bytes / 5 * 3 + plan.router_bytes);
  const MemoryPlan dense = plan_memory(test_source(test_config()), TernaryFormat::kI2, KvType::kF16);
  EXPECT_EQ(matrix_bytes_of_token(dense, test_config()), dense.ternary_bytes);
}

TEST(MemoryPlan, ScalesOfGroupsAreCounted) {
  ThreadPool pool(1);
  ModelConfig config = test_config();
  config.ffn = 200;
  for (const GroupScaleType type : {GroupScaleType::kF16, GroupScaleType::kF32}) {
    const TestModelOptions options = {.scale = TernaryScale::Granularity::kGroup,
                                      .group = {64, type}};
    const MemoryPlan plan =
        plan_memory(test_source(config, options), TernaryFormat::kI2, KvType::kF16);
    const auto model = load_model(test_source(config, options), {}, pool);
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(plan.ternary_bytes, (*model)->weights.packed.size());
    EXPECT_GT(plan.ternary_bytes,
              plan_memory(test_source(config), TernaryFormat::kI2, KvType::kF16).ternary_bytes);
  }
}

TEST(MemoryPlan, FloatsAndScalesOfFloatActivationsAreCounted) {
  ThreadPool pool(1);
  ModelConfig config = test_config();
  config.float_activations = true;
  for (const bool written_out : {false, true}) {
    ModelSource source = test_source(config);
    for (LayerSource& layer : source.layers) {
      for (LinearSource& linear : layer.linear) {
        if (written_out) {
          write_out(linear);
        }
      }
    }
    const MemoryPlan plan = plan_memory(source, TernaryFormat::kI2, KvType::kF16);
    const auto model = load_model(std::move(source), {}, pool);
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ(plan.ternary_bytes, (*model)->weights.packed.size());
  }
}

TEST(MemoryPlan, AHeadInTwoStagesTakesItsPlane) {
  ThreadPool pool(1);
  for (const bool tied : {true, false}) {
    ModelConfig config = test_config();
    config.tied_head = tied;
    LoadOptions options;
    options.head = HeadMode::kTwoStage;
    const MemoryPlan plan =
        plan_memory(test_source(config), options.format, KvType::kF16, options.head);
    const auto model = load_model(test_source(config), options, pool);
    ASSERT_TRUE(model.ok()) << model.status().message();
    const Weights& weights = (*model)->weights;
    const HeadPlane& plane = weights.head_plane;
    EXPECT_EQ(plane.rows, config.vocab);
    EXPECT_EQ(plan.embedding_bytes,
              plane.codes.size() + plane.rests.size() +
                  sizeof(float) * (plane.scale.size() + plane.error.size() +
                                   plane.coarse_error.size() + plane.norm.size()));
    EXPECT_EQ(weights.embed.data.size() + weights.head.data.size(), 0u);
  }
}

TEST(MemoryPlan, APositionTakesItsShareOfAPage) {
  const ModelSource source = test_source(test_config());
  for (const KvType type : {KvType::kF16, KvType::kBf16, KvType::kF32, KvType::kInt8}) {
    const MemoryPlan plan = plan_memory(source, TernaryFormat::kI2, type);
    const auto pool = KvPool::create(source.config, type, 1);
    ASSERT_TRUE(pool.ok());
    EXPECT_EQ(plan.kv_bytes_per_position * kPagePositions, pool->page_bytes());
  }
}

// By hand: 2 layers, 97 tokens, hidden 40, ffn 56, q 48 rows, k and v 24 rows; a tile of i2 is 64
// bytes for 16 rows of 16 columns.
TEST(MemoryPlan, NumbersOfTheTestModel) {
  const MemoryPlan plan = plan_memory(test_source(test_config()), TernaryFormat::kI2, KvType::kF16);
  const uint64_t q = 3 * 3, k = 2 * 3, o = 3 * 3, gate = 4 * 3, down = 3 * 4;
  EXPECT_EQ(plan.ternary_bytes, 2 * 64 * (q + 2 * k + o + 2 * gate + down));
  EXPECT_EQ(plan.embedding_bytes, 97u * 40 * 2);
  EXPECT_EQ(plan.norm_bytes, 4u * (40 + 2 * (40 + 48 + 40 + 56)));
  EXPECT_EQ(plan.kv_bytes_per_position, 2u * 2 * 24 * 2);
  EXPECT_EQ(plan.total(1000), plan.total(0) + 1000 * plan.kv_bytes_per_position);
  EXPECT_EQ(plan.total(0), plan.ternary_bytes + plan.embedding_bytes + plan.norm_bytes);
}

TEST(MemoryPlan, ALimitIsSaidWithTheNumbers) {
  MemoryPlan plan;
  plan.ternary_bytes = 500'000'000;
  plan.embedding_bytes = 300'000'000;
  plan.kv_bytes_per_position = 100'000;
  EXPECT_TRUE(check_memory("a/b.gguf", plan, 2000, 1'000'000'000).ok());
  const Status small = check_memory("a/b.gguf", plan, 1, 799'000'000);
  EXPECT_EQ(small.code(), Code::kOutOfMemory);
  EXPECT_EQ(small.message(),
            "a/b.gguf: the model needs 800 MB of memory; this control group allows 799 MB");
  EXPECT_EQ(check_memory("a/b.gguf", plan, 2001, 1'000'000'000).message(),
            "a/b.gguf: the model needs 800 MB of memory and a context of 2001 positions 200 MB; this "
            "control group allows 1000 MB, enough for a context of 2000");
}

}  // namespace
}  // namespace rotor
