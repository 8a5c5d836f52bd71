// SPDX-License-Identifier: Apache-2.0
// Every numeric parameter against hostile values: refused by name, or harmless.
#include <rotor/sampling.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace rotor {
namespace {

using ::testing::HasSubstr;

TEST(SamplingParams, DefaultsAreValid) { EXPECT_TRUE(validate(SamplingParams(), 10).ok()); }

void expect_refused(const char* name, float SamplingParams::*field, std::vector<float> values) {
  values.push_back(NAN);
  values.push_back(INFINITY);
  values.push_back(-INFINITY);
  for (const float value : values) {
    SamplingParams params;
    params.*field = value;
    const Status status = validate(params, 10);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << name << " " << value;
    EXPECT_THAT(status.message(), HasSubstr(name));
  }
}

TEST(SamplingParams, FloatsOutsideTheirRangeAreRefused) {
  expect_refused("temperature", &SamplingParams::temperature, {-1, -1e-30f});
  expect_refused("top_p", &SamplingParams::top_p, {-0.1f, 1.0001f});
  expect_refused("min_p", &SamplingParams::min_p, {-0.1f, 1.0001f});
  expect_refused("typical_p", &SamplingParams::typical_p, {-0.1f, 1.0001f});
  expect_refused("repeat_penalty", &SamplingParams::repeat_penalty, {0, -1});
  expect_refused("presence_penalty", &SamplingParams::presence_penalty, {});
  expect_refused("frequency_penalty", &SamplingParams::frequency_penalty, {});
}

TEST(SamplingParams, IntegersOutsideTheirRangeAreRefused) {
  SamplingParams params;
  params.top_k = -1;
  EXPECT_THAT(validate(params, 10).message(), HasSubstr("top_k is -1"));
  params.top_k = std::numeric_limits<int32_t>::max();
  params.repeat_last_n = -2;
  EXPECT_THAT(validate(params, 10).message(), HasSubstr("repeat_last_n is -2"));
}

TEST(SamplingParams, BiasesAreChecked) {
  SamplingParams params;
  params.logit_bias = {{9, -INFINITY}, {0, 100.0f}};
  EXPECT_TRUE(validate(params, 10).ok());
  for (const LogitBias bad : {LogitBias{10, 1.0f}, LogitBias{-1, 1.0f}, LogitBias{3, NAN},
                              LogitBias{3, INFINITY}, LogitBias{0, 1.0f}}) {
    params.logit_bias = {{0, 1.0f}, bad};
    EXPECT_EQ(validate(params, 10).code(), Code::kInvalidArgument) << bad.token << " " << bad.bias;
  }
}

}  // namespace
}  // namespace rotor
