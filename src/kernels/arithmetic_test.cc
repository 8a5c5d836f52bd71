// SPDX-License-Identifier: Apache-2.0
// The scalar specification against mathematics: exp's error, the order of sums by hand, frozen bits.
#include "kernels/scalar/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.h"

namespace rotor {
namespace {

using kernels::exp_nonpositive;
using kernels::ordered_sum;

TEST(Exp, ErrorIsBelowOneUlp) {
  double worst = 0;
  for (uint32_t bits = 0x80000000u; bits <= 0xc2ae0000u; bits += 977) {  // -0 .. -87
    const float x = std::bit_cast<float>(bits);
    const float got = exp_nonpositive(x);
    const double exact = std::exp(static_cast<double>(x));
    const double ulp = std::ldexp(1.0, std::ilogb(exact) - 23);
    worst = std::max(worst, std::fabs(got - exact) / ulp);
  }
  RecordProperty("worst_ulp", std::to_string(worst));
  EXPECT_LT(worst, 1.0);
}

TEST(Exp, EdgeValues) {
  EXPECT_EQ(exp_nonpositive(0.0f), 1.0f);
  EXPECT_EQ(exp_nonpositive(-0.0f), 1.0f);
  EXPECT_EQ(exp_nonpositive(-0x1p-149f), 1.0f);
  EXPECT_GE(exp_nonpositive(-87.0f), std::numeric_limits<float>::min());
  EXPECT_EQ(exp_nonpositive(std::nextafter(-87.0f, -100.0f)), 0.0f);
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<float>::infinity()), 0.0f);
  EXPECT_TRUE(std::isnan(exp_nonpositive(std::numeric_limits<float>::quiet_NaN())));
}

TEST(OrderedSum, LanesThenBlocksThenFold) {
  EXPECT_EQ(ordered_sum(0, [](size_t) { return 1.0f; }), 0.0f);
  EXPECT_EQ(ordered_sum(1000, [](size_t) { return 1.0f; }), 1000.0f);
  // 2^24 swallows a 1 that is added to it. In lane 0 of block 0 the ones come after; in lane 1 they
  // meet only at the fold; in block 1 they have become 15 before they meet.
  const float big = 0x1p24f;
  const auto sum_with_ones_at = [big](size_t first, size_t step, size_t count) {
    std::vector<float> terms(512, 0.0f);
    terms[0] = big;
    for (size_t k = 0; k < count; ++k) {
      terms[first + step * k] = 1.0f;
    }
    return ordered_sum(512, [&terms](size_t i) { return terms[i]; });
  };
  EXPECT_EQ(sum_with_ones_at(16, 16, 15), big);
  EXPECT_EQ(sum_with_ones_at(1, 16, 16), big + 16);
  EXPECT_EQ(sum_with_ones_at(256, 16, 16), big + 16);
  EXPECT_EQ(sum_with_ones_at(1, 1, 15), big + 14);  // folds 8+8, so lane 8 joins big alone
}

TEST(RmsNormQuantize, FollowsTheRule) {
  const std::vector<float> x = {3.0f, -4.0f, 0.0f, 0.5f};
  std::vector<float> normed(4);
  std::vector<int8_t> q(80, 55);
  const KernelTable& scalar = kernel_table(IsaLevel::kScalar);
  const Quantized result =
      scalar.rms_norm_quantize(x.data(), nullptr, 4, 0.0f, normed.data(), q.data(), q.size());
  EXPECT_EQ(result.scale, 127.0f / 4.0f);
  EXPECT_TRUE(result.finite);
  EXPECT_EQ(q[0], 95);  // 95.25
  EXPECT_EQ(q[1], -127);
  EXPECT_EQ(q[2], 0);
  EXPECT_EQ(q[3], 16);  // 15.875
  EXPECT_EQ(q[4], 0);
  EXPECT_EQ(q[79], 0);
  EXPECT_EQ(result.sum, 95 - 127 + 16);
  EXPECT_EQ(normed, x);
}

TEST(RmsNormQuantize, AllZerosAndNonFinite) {
  const KernelTable& scalar = kernel_table(IsaLevel::kScalar);
  std::vector<float> x(32, 0.0f);
  std::vector<float> normed(32);
  std::vector<int8_t> q(80);
  const auto run = [&] {
    return scalar.rms_norm_quantize(x.data(), nullptr, 32, 0.0f, normed.data(), q.data(), 80);
  };
  EXPECT_EQ(run().scale, 127.0f / 1e-5f);
  EXPECT_EQ(run().sum, 0);
  for (float bad : {INFINITY, -INFINITY, NAN}) {
    x[17] = bad;
    EXPECT_FALSE(run().finite);
  }
}

// 1e25 is finite, but the sum of its square is not: zeros would hide it.
TEST(RmsNorm, AnOverflowIsNotLost) {
  const std::vector<float> x = {1.0f, 1e25f, -2.0f};
  const std::vector<float> weight(3, 1.0f);
  std::vector<float> out(3);
  std::vector<int8_t> q(64);
  const KernelTable& scalar = kernel_table(IsaLevel::kScalar);
  scalar.rms_norm(x.data(), weight.data(), 3, 1e-5f, out.data());
  for (const float value : out) {
    EXPECT_TRUE(std::isnan(value));
  }
  EXPECT_FALSE(
      scalar.rms_norm_quantize(x.data(), weight.data(), 3, 1e-5f, out.data(), q.data(), 64).finite);
}

TEST(Attend, AgreesWithSoftmaxInDoublePrecision) {
  constexpr size_t kDim = 32;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> keys(kPagePositions * kDim);
  std::vector<float> values(kPagePositions * kDim);
  std::vector<float> q(kDim);
  for (auto* array : {&keys, &values, &q}) {
    for (float& value : *array) {
      value = normal(random);
    }
  }
  std::vector<float> scratch(attend_scratch(kDim));
  std::vector<float> out(kDim);
  float max_score = 0;
  float sum = 0;
  const AttendRow row = {3, 250, q.data(), &max_score, &sum, out.data()};
  kernel_table(IsaLevel::kScalar)
      .attend_f32({keys.data(), values.data(), &row, 1, 1, kDim, 0.25f, scratch.data()});
  std::vector<double> weights(kPagePositions, 0.0);
  double total = 0;
  for (size_t j = 3; j < 250; ++j) {
    double score = 0;
    for (size_t d = 0; d < kDim; ++d) {
      score += double{q[d]} * keys[j * kDim + d];
    }
    weights[j] = std::exp(0.25 * score);
    total += weights[j];
  }
  for (size_t d = 0; d < kDim; ++d) {
    double expected = 0;
    for (size_t j = 3; j < 250; ++j) {
      expected += weights[j] * values[j * kDim + d];
    }
    EXPECT_NEAR(out[d] / sum, expected / total, 1e-5);
  }
}

TEST(Attend, MergedPagesEqualOnePageUpToRounding) {
  float max_score = 1.0f;
  float sum = 2.0f;
  std::vector<float> out = {4.0f, 6.0f};
  const std::vector<float> out2 = {1.0f, 1.0f};
  kernel_table(IsaLevel::kScalar)
      .attend_merge(&max_score, &sum, out.data(), 3.0f, 1.5f, out2.data(), 2);
  EXPECT_EQ(max_score, 3.0f);
  EXPECT_NEAR(sum, 2.0 * std::exp(-2.0) + 1.5, 1e-6);
  EXPECT_NEAR(out[0], 4.0 * std::exp(-2.0) + 1.0, 1e-6);
}

TEST(GatedSilu, IsTheLogisticGate) {
  const KernelTable& table = kernel_table(IsaLevel::kScalar);
  for (const float x : {-20.0f, -1.5f, -0.0f, 0.0f, 1e-6f, 0.7f, 3.0f, 40.0f}) {
    const float up = 3.0f;
    float out = 0.0f;
    table.gated_silu(&x, &up, 1, &out);
    const double expected = 3.0 * x / (1.0 + std::exp(-static_cast<double>(x)));
    EXPECT_NEAR(out, expected, 4e-7 * std::fabs(expected)) << x;
  }
}

TEST(GatedGelu, IsTheTanhForm) {
  const KernelTable& table = kernel_table(IsaLevel::kScalar);
  const auto gelu = [&](float x) {
    const float up = 3.0f;
    float out = 0.0f;
    table.gated_gelu(&x, &up, 1, &out);
    return out;
  };
  for (const float x : {-9.0f, -3.0f, -1.5f, -0.0f, 0.0f, 1e-6f, 0.7f, 3.0f, 40.0f}) {
    const double inner = std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * std::pow(double{x}, 3));
    // The tail below -5 is that of exp: 0.5 (1 + tanh) = 1 / (1 + exp(-2 inner)).
    const double expected = 3.0 * x / (1.0 + std::exp(-2.0 * inner));
    EXPECT_NEAR(gelu(x), expected, 2e-5 * std::fabs(expected)) << x;
  }
  EXPECT_EQ(gelu(-1e30f), 0.0f);  // although the cube overflows
  EXPECT_EQ(gelu(1e30f), 1e30f * 3.0f);
  EXPECT_TRUE(std::isnan(gelu(std::nanf(""))));
}

}  // namespace
}  // namespace rotor
