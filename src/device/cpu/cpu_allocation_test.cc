// SPDX-License-Identifier: Apache-2.0
// A pass takes no memory once its first has grown the lists of rows.
#include <gtest/gtest.h>

#include "base/counting_new.h"
#include "device/cpu/cpu_executor.h"
#include "model/loader.h"
#include "model/test_lora.h"
#include "model/test_model.h"

namespace rotor {
namespace {

// An adapter of one matrix of each kind of input.
std::shared_ptr<const LoraSet> adapters(const ModelConfig& config) {
  const auto adapter = test::random_lora(config, 3, 6.0,
                                         {{0, LinearRole::kV}, {1, LinearRole::kO},
                                          {1, LinearRole::kUp}, {0, LinearRole::kDown}},
                                         FloatType::kF16, 1)
                           .open(config);
  EXPECT_TRUE(adapter.ok()) << adapter.status().message();
  return std::make_shared<const LoraSet>(LoraSet{{*adapter, 1.0f}, {*adapter, 0.5f}});
}

void expect_no_allocation(HeadMode head, bool adapted = false,
                          const ModelConfig& config = test_config()) {
  ThreadPool pool(1);
  LoadOptions load;
  load.head = head;
  const auto model = load_model(test_source(config), load, pool);
  ASSERT_TRUE(model.ok());
  CpuExecutorOptions options;
  options.threads = 2;
  options.max_batch = 8;
  const auto executor = make_cpu_executor(*model, options);
  ASSERT_TRUE(executor.ok());
  KvSequence sequence(&(*executor)->kv_pool());
  if (adapted) {
    sequence.set_lora(adapters((*model)->config));
  }
  ASSERT_TRUE(sequence.extend(9).ok());
  const TopQuery query = {3, {1, 2}};
  Batch prefill;
  for (size_t i = 0; i < 8; ++i) {
    prefill.rows.push_back({&sequence, i, 5, i >= 4, i >= 6 ? &query : nullptr});
  }
  const Batch step = {{{&sequence, 8, 6, true, &query}}};
  const TopQuery drawn = {0, {1, 2}, 0, TokenDraw{{1, 0, 8}, 0.8}};
  const Batch draw = {{{&sequence, 8, 6, true, &drawn}}};
  ASSERT_TRUE((*executor)->forward(prefill, nullptr).ok());  // the first may grow lists of rows
  const size_t before = test::allocations;
  const bool ok = (*executor)->forward(prefill, nullptr).ok() &&
                  (*executor)->forward(step, nullptr).ok() &&
                  (*executor)->forward(draw, nullptr).ok();
  const size_t after = test::allocations;
  EXPECT_TRUE(ok);
  EXPECT_GT(before, 0u);
  EXPECT_EQ(after, before);
}

TEST(Allocation, APassTakesNoMemory) { expect_no_allocation(HeadMode::kFull); }

TEST(Allocation, APassWithAHeadInTwoStagesTakesNoMemory) {
  expect_no_allocation(HeadMode::kTwoStage);
}

TEST(Allocation, APassWithExpertsTakesNoMemory) {
  expect_no_allocation(HeadMode::kFull, false, experts_config());
}

TEST(Allocation, APassWithAdaptersTakesNoMemory) { expect_no_allocation(HeadMode::kFull, true); }

}  // namespace
}  // namespace rotor
