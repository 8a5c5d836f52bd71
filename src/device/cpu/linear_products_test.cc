// SPDX-License-Identifier: Apache-2.0
// Some rows of a matrix times rows of activations against the formula, for every kind of scale and both
// kinds of activations.
#include "device/cpu/linear_products.h"

#include <gtest/gtest.h>

#include <random>

#include "base/cpu_features.h"
#include "model/loader.h"
#include "model/test_model.h"

namespace rotor {
namespace {

constexpr size_t kInputs = 3;
constexpr size_t kPadded = 320;  // of 272 columns, whole tiles of every layout

// Rows of integers as both kinds of activations.
struct Inputs {
  explicit Inputs(size_t cols) : q8(kInputs * kPadded), floats(kInputs * cols), running(kInputs * 9) {
    std::mt19937 random(3);
    for (size_t b = 0; b < kInputs; ++b) {
      for (size_t c = 0; c < cols; ++c) {
        const int value = static_cast<int>(random() % 255) - 127;
        q8[b * kPadded + c] = static_cast<int8_t>(value);
        floats[b * cols + c] = static_cast<float>(value);
        sum[b] += value;
      }
      sum_columns(q8.data() + b * kPadded, kPadded, 9, running.data() + b * 9);
    }
    rows = {kInputs, q8.data(), kPadded, scale, sum, running.data(), 9, floats.data(), cols};
  }

  std::vector<int8_t> q8;
  std::vector<float> floats;
  std::vector<int32_t> running;
  float scale[kInputs] = {1.0f, 2.0f, 4.0f};
  int32_t sum[kInputs] = {};
  InputRows rows;
};

void expect_products(TernaryScale::Granularity granularity, bool float_activations) {
  ModelConfig config = test_config();
  config.hidden = 272;
  config.ffn = 72;
  config.float_activations = float_activations;
  const TestModelOptions options{FloatType::kBf16, granularity, 1, {128, GroupScaleType::kF16}};
  ThreadPool pool(1);
  const auto model = load_model(test_source(config, options), {}, pool);
  ASSERT_TRUE(model.ok()) << model.status().message();
  const Linear& up = (*model)->weights.layers[0].up;
  const ModelSource source = test_source(config, options);
  const LinearSource& from = source.layers[0].linear[static_cast<size_t>(LinearRole::kUp)];
  const std::vector<int8_t> trits = all_trits(*from.trits);
  const std::vector<float> groups =
      from.scale.grouped() ? all_group_scales(from) : std::vector<float>();
  const Inputs inputs(config.hidden);
  const RowRange range = {{2, 5}, {32, 72}};  // the last block has 8 rows
  std::vector<int32_t> acc(kInputs * 64, 77);
  const KernelTable& kernels = kernel_table(IsaLevel::kScalar);
  multiply_rows(kernels, up, range, inputs.rows, acc.data(), 64);
  for (size_t b = 0; b < kInputs; ++b) {
    std::vector<float> out(40);
    scale_products(kernels, up, inputs.rows, b, acc.data() + b * 64, range.rows, out.data());
    for (size_t r = 0; r < out.size(); ++r) {
      const size_t row = 32 + r;
      double expected = 0;
      for (size_t c = 0; c < config.hidden; ++c) {
        const double scale = from.scale.grouped() ? groups[row * 3 + c / 128]
                                                  : from.scale.values[from.scale.values.size() == 1 ? 0 : row];
        expected += trits[row * config.hidden + c] * double{inputs.floats[b * config.hidden + c]} * scale;
      }
      expected /= float_activations ? 1.0 : double{inputs.scale[b]};
      EXPECT_NEAR(out[r], expected, 1e-3) << b << ", " << row;
    }
  }
}

TEST(LinearProducts, EveryScaleAndBothKindsOfActivations) {
  using Granularity = TernaryScale::Granularity;
  for (const auto granularity : {Granularity::kTensor, Granularity::kRow, Granularity::kGroup}) {
    expect_products(granularity, false);
    expect_products(granularity, true);
  }
}

TEST(LinearProducts, NoRowsLeaveTheSumsAlone) {
  ThreadPool pool(1);
  const auto model = load_model(test_source(test_config()), {}, pool);
  ASSERT_TRUE(model.ok());
  const Inputs inputs(40);
  std::vector<int32_t> acc(kInputs * 16, 77);
  const KernelTable& kernels = kernel_table(IsaLevel::kScalar);
  const Linear& up = (*model)->weights.layers[0].up;
  multiply_rows(kernels, up, {{2, 2}, {32, 32}}, inputs.rows, acc.data(), 16);
  accumulate(kernels, up.matrix, {{2, 2}, {32, 32}}, inputs.rows, acc.data(), 16);
  EXPECT_EQ(acc, std::vector<int32_t>(kInputs * 16, 77));
}

TEST(LinearProducts, RunningSumsStopAtTheEnd) {
  const std::vector<int8_t> q8(150, 2);
  std::vector<int32_t> running(5, -1);
  sum_columns(q8.data(), q8.size(), running.size(), running.data());
  EXPECT_EQ(running, (std::vector<int32_t>{0, 128, 256, 300, 300}));
}

}  // namespace
}  // namespace rotor
