// SPDX-License-Identifier: Apache-2.0
// Limbs give the hidden state back to half a step; the logits of the coarse form, without and with the
// rests, are within their margins of the exact one.
#include "device/cpu/head_limbs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/kernels.h"
#include "model/head_plane.h"

namespace rotor {
namespace {

using Floats = std::vector<float>;

struct Split {
  std::vector<int8_t> a;
  std::vector<int8_t> b;
  std::optional<HeadLimbs> limbs;

  explicit Split(const Floats& h)
      : a(h.size()), b(h.size()), limbs(HeadLimbs::split(h.data(), h.size(), a.data(), b.data())) {}
};

Floats random_values(size_t n, float scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  Floats values(n);
  for (float& value : values) {
    value = normal(random);
  }
  return values;
}

TEST(HeadLimbs, GivesTheStateBackToHalfAStep) {
  for (const float scale : {1e-19f, 1e-3f, 1.0f, 1e6f, 1e14f}) {
    Floats h = random_values(300, scale, 1);
    h[7] = -10 * scale;  // the largest magnitude, at either end of the range
    const Split split(h);
    ASSERT_TRUE(split.limbs) << scale;
    for (size_t c = 0; c < h.size(); ++c) {
      EXPECT_GE(split.a[c], -64);
      EXPECT_LE(split.a[c], 63);
      EXPECT_GE(split.b[c], -64);
      EXPECT_LE(split.b[c], 63);
      const double back = double{split.limbs->step} * (128 * split.a[c] + split.b[c]);
      EXPECT_LE(std::fabs(h[c] - back), 0.501 * split.limbs->step) << "column " << c;
    }
  }
}

TEST(HeadLimbs, LogitsAreWithinTheirMargins) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const size_t n = 1 + 37 * seed;
    const Floats h = random_values(n, 1.0f, seed);
    const Floats w = random_values(n, 0.05f, seed + 1000);
    HeadPlane plane = std::move(*HeadPlane::allocate(1, n));
    ASSERT_TRUE(plane.fill_row(0, w.data()));
    const Split split(h);
    ASSERT_TRUE(split.limbs);
    std::vector<int8_t> limbs(2 * plane.rest_cols);  // 0 in the padding
    std::copy(split.a.begin(), split.a.end(), limbs.begin());
    std::copy(split.b.begin(), split.b.end(), limbs.data() + plane.rest_cols);
    const KernelTable& kernels = kernel_table(IsaLevel::kScalar);
    int32_t codes[2 * 16];
    int32_t rests[2];
    kernels.code_dots({plane.row_block(0), 1, plane.padded_cols, limbs.data(), plane.rest_cols, 2,
                       codes, 16});
    kernels.rest_dots({plane.row_rests(0), plane.rest_cols, limbs.data(), plane.rest_cols, rests});
    double exact = 0;
    for (size_t c = 0; c < n; ++c) {
      exact += double{w[c]} * double{h[c]};
    }
    const auto expect_within = [&](float logit, float margin) {
      EXPECT_LE(std::fabs(exact - double{logit}), double{margin}) << "columns " << n;
      EXPECT_LE(double{logit - margin}, exact);
      EXPECT_GE(double{logit + margin}, exact);
    };
    const float length = plane.norm[0] * std::sqrt(static_cast<float>(n));
    const float coarse = split.limbs->coarse_logit(codes[0], codes[16], plane.scale[0]);
    const float coarse_margin = split.limbs->margin(plane.coarse_error[0], plane.norm[0]);
    expect_within(coarse, coarse_margin);
    EXPECT_LT(coarse_margin, 0.08f * length) << "useless";
    const float upper = coarse + coarse_margin;
    const float refined = (upper - coarse_margin) +
                          split.limbs->rest_logit(rests[0], rests[1], plane.scale[0]);
    const float margin =
        split.limbs->rest_margin(plane.error[0], plane.coarse_error[0], plane.norm[0]);
    expect_within(refined, margin);
    EXPECT_LT(margin, 0.02f * length) << "useless";
  }
}

TEST(HeadLimbs, RefusesWhatCannotBeBounded) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {0.0f, 1e-21f, 0x1p53f, infinity, -infinity, std::nanf("")}) {
    EXPECT_FALSE(Split(Floats(5, value)).limbs) << value;
  }
  EXPECT_FALSE(Split({1.0f, std::nanf(""), 2.0f}).limbs);
  EXPECT_TRUE(Split({0.0f, 0x1p52f, 0.0f}).limbs);
}

}  // namespace
}  // namespace rotor
