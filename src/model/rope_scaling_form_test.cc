// SPDX-License-Identifier: Apache-2.0
#include "model/rope_scaling_form.h"

#include <gtest/gtest.h>

namespace rotor {
namespace {

TEST(RopeScalingForm, TheEssentialsAreWhatIsComputedWith) {
  RopeScaling s = {.factor = 2.0, .original_context = 128.0, .low_freq_factor = 2.0,
                   .high_freq_factor = 8.0, .beta_fast = 3.0, .attention_factor = 0.5,
                   .divisors = {}};
  s.divisors.assign(4, 1.5f);
  std::vector<float> expected(4);
  std::vector<float> got(4);
  for (const RopeScalingType type : {RopeScalingType::kNone, RopeScalingType::kLinear,
                                     RopeScalingType::kLlama3, RopeScalingType::kYarn,
                                     RopeScalingType::kDivisors}) {
    s.type = type;
    rope_frequencies(s, 10000.0, 8, expected.data());
    rope_frequencies(essential(s), 10000.0, 8, got.data());
    EXPECT_EQ(got, expected) << rope_scaling_name(type);
    EXPECT_EQ(essential(essential(s)), essential(s));
    EXPECT_EQ(essential(s).attention_factor, type == RopeScalingType::kYarn ? 0.5 : 1.0);
  }
}

TEST(RopeScalingForm, RoundsToBinary32) {
  const RopeScaling yarn = {.type = RopeScalingType::kYarn, .factor = 0.1 + 4.0,
                            .original_context = 128.0, .beta_fast = 0.3, .truncate = false,
                            .attention_factor = yarn_attention_factor(0.1 + 4.0), .divisors = {}};
  const RopeScaling rounded = in_binary32(yarn);
  EXPECT_EQ(rounded.factor, 4.1f);
  EXPECT_EQ(rounded.beta_fast, 0.3f);
  EXPECT_EQ(rounded.attention_factor, yarn_attention_factor(4.1f));
  EXPECT_FALSE(rounded.truncate);
  RopeScaling own = yarn;
  own.attention_factor = 0.7;
  EXPECT_EQ(in_binary32(own).attention_factor, 0.7f);
  EXPECT_EQ(in_binary32(rounded), rounded);
}

TEST(RopeScalingForm, DivisorsStandForLlama3) {
  const RopeScaling llama3 = {.type = RopeScalingType::kLlama3, .factor = 8.0,
                              .original_context = 8192.0, .low_freq_factor = 1.0,
                              .high_freq_factor = 4.0, .divisors = {}};
  const RopeScaling divisors = {.type = RopeScalingType::kDivisors,
                                .divisors = rotary_divisors(llama3, 500000.0, 128)};
  ASSERT_TRUE(validate(divisors, 128).ok());
  EXPECT_EQ(divisors.divisors.front(), 1.0f);
  EXPECT_EQ(divisors.divisors.back(), 8.0f);
  std::vector<float> expected(64);
  std::vector<float> got(64);
  rope_frequencies(llama3, 500000.0, 128, expected.data());
  rope_frequencies(divisors, 500000.0, 128, got.data());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], expected[i] * 0x1p-22f) << i;
  }
}

}  // namespace
}  // namespace rotor
