// SPDX-License-Identifier: Apache-2.0
// Scaled frequencies against those that transformers 5.23 computes, bit for bit, and every refusal.
#include "model/rope_scaling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace rotor {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

std::vector<float> frequencies(const RopeScaling& scaling, double theta, size_t head_dim) {
  EXPECT_TRUE(validate(scaling, head_dim).ok());
  std::vector<float> inv_freq(head_dim / 2);
  rope_frequencies(scaling, theta, head_dim, inv_freq.data());
  return inv_freq;
}

RopeScaling llama3() {
  RopeScaling s;
  s.type = RopeScalingType::kLlama3;
  s.factor = 8.0;
  s.original_context = 8192;
  return s;
}

RopeScaling yarn() {
  RopeScaling s;
  s.type = RopeScalingType::kYarn;
  s.factor = 4.0;
  s.original_context = 16384;
  return s;
}

TEST(RopeScaling, Linear) {
  RopeScaling s;
  s.type = RopeScalingType::kLinear;
  s.factor = 2.5;
  EXPECT_THAT(frequencies(s, 10000.0, 16),
              ElementsAreArray({0x1.99999ap-2f, 0x1.030dc4p-3f, 0x1.47ae14p-5f, 0x1.9e7c7p-7f,
                                0x1.0624dcp-8f, 0x1.4b96cp-10f, 0x1.a36e3p-12f, 0x1.094566p-13f}));
}

TEST(RopeScaling, Llama3) {
  EXPECT_THAT(frequencies(llama3(), 500000.0, 32),
              ElementsAreArray({0x1p+0f,         0x1.c2ef78p-2f,  0x1.8d276p-3f,   0x1.5dc95ap-4f,
                                0x1.34119p-5f,   0x1.0f5386p-6f,  0x1.ddee9ep-8f,  0x1.a4ee4p-9f,
                                0x1.132ba4p-11f, 0x1.46831ap-14f, 0x1.1f91fp-15f,  0x1.fa8b86p-17f,
                                0x1.be2188p-18f, 0x1.88ec2p-19f,  0x1.5a0f4ep-20f, 0x1.30c94ep-21f}));
}

TEST(RopeScaling, Yarn) {
  EXPECT_THAT(frequencies(yarn(), 1e6, 32),
              ElementsAreArray({0x1p+0f,         0x1.afd136p-2f,  0x1.6c310ep-3f,  0x1.33281ap-4f,
                                0x1.030dc6p-5f,  0x1.b4f7e4p-7f,  0x1.39417p-8f,   0x1.b32624p-10f,
                                0x1.205bcp-11f,  0x1.61beap-13f,  0x1.74eea6p-15f, 0x1.3a8748p-16f,
                                0x1.094564p-17f, 0x1.bf749ep-19f, 0x1.796182p-20f, 0x1.3e47c8p-21f}));
  EXPECT_EQ(static_cast<float>(yarn_attention_factor(4.0)), 1.138629436111989f);
  EXPECT_EQ(yarn_attention_factor(1.0), 1.0);
}

TEST(RopeScaling, YarnWithARampBetweenDimensions) {
  RopeScaling s = yarn();
  s.factor = 3.3;
  s.original_context = 100;
  s.beta_fast = 20.0;
  s.beta_slow = 2.0;
  s.truncate = false;
  EXPECT_THAT(frequencies(s, 10000.0, 32),
              ElementsAreArray({0x1p+0f,         0x1.d0739cp-2f,  0x1.8d163ep-3f,  0x1.31b418p-4f,
                                0x1.f07c2p-6f,   0x1.1731a6p-6f,  0x1.3a012ep-7f,  0x1.6127dp-8f,
                                0x1.8d3018p-9f,  0x1.beb5d6p-10f, 0x1.f6684cp-11f, 0x1.1a864p-11f,
                                0x1.3dc014p-12f, 0x1.655e46p-13f, 0x1.91ed08p-14f, 0x1.c40ap-15f}));
}

TEST(RopeScaling, Divisors) {
  RopeScaling s;
  s.type = RopeScalingType::kDivisors;
  s.divisors = {1.0f, 2.0f, 8.0f};
  const std::vector<float> plain = frequencies({}, 10000.0, 6);
  EXPECT_THAT(frequencies(s, 10000.0, 6),
              ElementsAreArray({plain[0], plain[1] / 2.0f, plain[2] / 8.0f}));
}

TEST(RopeScaling, RefusesWhatCannotBeComputed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refusal = [](RopeScaling s, auto change) {
    change(s);
    const Status status = validate(s, 32);
    EXPECT_EQ(status.code(), Code::kFormatError);
    return status.message();
  };
  for (const double bad : {0.0, 0.5, -2.0, nan, 1e7, HUGE_VAL}) {
    EXPECT_THAT(refusal(yarn(), [&](auto& s) { s.factor = bad; }), HasSubstr("factor must lie in"));
  }
  for (const double bad : {0.0, -1.0, nan, 0x1p25}) {
    EXPECT_THAT(refusal(llama3(), [&](auto& s) { s.original_context = bad; }),
                HasSubstr("original_max_position_embeddings must lie in"));
  }
  for (const double bad : {0.0, -1.0, nan, HUGE_VAL}) {
    EXPECT_THAT(refusal(llama3(), [&](auto& s) { s.low_freq_factor = bad; }),
                HasSubstr("low_freq_factor"));
    EXPECT_THAT(refusal(llama3(), [&](auto& s) { s.high_freq_factor = bad; }),
                HasSubstr("high_freq_factor"));
    EXPECT_THAT(refusal(yarn(), [&](auto& s) { s.beta_fast = bad; }), HasSubstr("beta_fast"));
    EXPECT_THAT(refusal(yarn(), [&](auto& s) { s.beta_slow = bad; }), HasSubstr("beta_slow"));
    EXPECT_THAT(refusal(yarn(), [&](auto& s) { s.attention_factor = bad; }),
                HasSubstr("attention_factor"));
  }
  EXPECT_THAT(refusal(llama3(), [](auto& s) { s.high_freq_factor = s.low_freq_factor; }),
              HasSubstr("low_freq_factor must be below high_freq_factor"));
  RopeScaling divisors;
  divisors.type = RopeScalingType::kDivisors;
  divisors.divisors.assign(16, 1.0f);
  EXPECT_TRUE(validate(divisors, 32).ok());
  EXPECT_THAT(refusal(divisors, [](auto& s) { s.divisors.pop_back(); }),
              HasSubstr("expected 16 divisors, got 15"));
  for (const float bad : {0.5f, 0.0f, -1.0f, static_cast<float>(nan)}) {
    EXPECT_THAT(refusal(divisors, [&](auto& s) { s.divisors[3] = bad; }), HasSubstr("divisor"));
  }
}

// Whatever passes validate() gives frequencies that rotary_angles() takes: finite, in 0 .. 1.
TEST(RopeScaling, FrequenciesAtTheBordersStayInRange) {
  for (const double factor : {1.0, 1e6}) {
    for (const double context : {1.0, 0x1p24}) {
      for (const double beta : {1e-3, 9e5}) {
        for (const bool truncate : {false, true}) {
          RopeScaling s = yarn();
          s.factor = factor;
          s.original_context = context;
          s.beta_fast = beta;
          s.truncate = truncate;
          RopeScaling l = llama3();
          l.factor = factor;
          l.original_context = context;
          l.low_freq_factor = 1e-3;
          l.high_freq_factor = 1e-3 + beta;
          for (const RopeScaling& scaling : {s, l}) {
            for (const double theta : {1.000001, 1e6, 9e11}) {
              for (const float f : frequencies(scaling, theta, 64)) {
                EXPECT_TRUE(f >= 0.0f && f <= 1.0f) << f << " " << factor << " " << context;
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace rotor
