// SPDX-License-Identifier: Apache-2.0
// The layout that was asked for, or the one for this machine. Limits of memory: a control group is needed
// (tests/parity/machine_limits_test.py).
#include "device/cpu/cpu_loader.h"

#include <gtest/gtest.h>

#include "model/test_model.h"

namespace rotor {
namespace {

TernaryFormat loaded_format(std::optional<TernaryFormat> weights) {
  ThreadPool pool(2);
  const auto model = load_for_cpu(test_source(test_config()), {}, weights, {}, pool);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return (*model)->weights.layers[0].q.matrix.format;
}

TEST(CpuLoader, TakesTheLayoutAskedFor) {
  for (size_t i = 0; i < kTernaryFormats; ++i) {
    EXPECT_EQ(loaded_format(static_cast<TernaryFormat>(i)), static_cast<TernaryFormat>(i));
  }
}

TEST(CpuLoader, ScalesOfGroupsAreKeptInI2) {
  ThreadPool pool(2);
  const TestModelOptions groups = {.scale = TernaryScale::Granularity::kGroup};
  const auto load = [&](std::optional<TernaryFormat> weights) {
    return load_for_cpu(test_source(test_config(), groups), {}, weights, {}, pool);
  };
  for (const auto weights : {std::optional<TernaryFormat>(), std::optional(TernaryFormat::kI2)}) {
    const auto model = load(weights);
    ASSERT_TRUE(model.ok()) << model.status().message();
    EXPECT_EQ((*model)->weights.layers[0].q.matrix.format, TernaryFormat::kI2);
  }
  EXPECT_EQ(load(TernaryFormat::kDense243).status().code(), Code::kInvalidArgument);
}

TEST(CpuLoader, ASmallModelIsKeptInI2) { EXPECT_EQ(loaded_format(std::nullopt), TernaryFormat::kI2); }

}  // namespace
}  // namespace rotor
