// SPDX-License-Identifier: Apache-2.0
// Every kind of difference is found and named.
#include "model/conversion_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/rope_scaling_form.h"
#include "model/test_conversion.h"

namespace rotor {
namespace {

using testing::HasSubstr;
using Granularity = TernaryScale::Granularity;

class ConversionCheck : public testing::Test {
 protected:
  Status check(const AllowedRounding& allowed = {}) {
    return check_conversion(source_, written_, test::trits_sha256(source_), allowed, pool_, {},
                            nullptr);
  }
  void expect(const char* what) {
    const Status status = check();
    EXPECT_EQ(status.code(), Code::kVerificationFailed);
    EXPECT_THAT(status.message(), HasSubstr(what));
  }

  ThreadPool pool_{2};
  ModelSource source_ = test_source(test_config());
  ModelSource written_ = test_source(test_config());
};

TEST_F(ConversionCheck, TheSameModelPasses) {
  written_.config.name = "another";
  written_.container = "another";
  EXPECT_TRUE(check().ok());
}

TEST_F(ConversionCheck, Configuration) {
  written_.config.context -= 1;
  expect("configuration");
}

TEST_F(ConversionCheck, RopeThetaMayBeRounded) {
  source_.config.rope_theta = 10000.0 / 3.0;
  written_.config.rope_theta = static_cast<float>(10000.0 / 3.0);
  expect("rope_theta");
  EXPECT_TRUE(check({.rope = true}).ok());
  written_.config.rope_theta = 3333.0;
  EXPECT_FALSE(check({.rope = true}).ok());
}

TEST_F(ConversionCheck, RotaryScalingMayBeRounded) {
  source_.config.rope_scaling = {.type = RopeScalingType::kYarn, .factor = 10.0 / 3.0,
                                 .original_context = 128.0,
                                 .attention_factor = yarn_attention_factor(10.0 / 3.0),
                                 .divisors = {}};
  written_.config.rope_scaling = in_binary32(source_.config.rope_scaling);
  expect("rotary scaling");
  EXPECT_TRUE(check({.rope = true}).ok());
}

TEST_F(ConversionCheck, NormsOfMatrices) {
  ModelConfig config = test_config();
  config.input_norms = true;
  source_ = test_source(config);
  written_ = test_source(config);
  EXPECT_TRUE(check().ok());
  written_.layers[1].linear[5].input_norm[2] += 1.0f;
  expect("norm of layers.1.up");

}

TEST_F(ConversionCheck, Norms) {
  written_.layers[1].ffn_sub_norm[3] += 1.0f;
  expect("norm in layer 1");
  written_ = test_source(test_config());
  written_.output_norm[0] += 1.0f;
  expect("final norm");
}

TEST_F(ConversionCheck, Rows) {
  std::mt19937 random(99);
  written_.embed = random_rows("embed", FloatType::kBf16, 97, 40, random);
  expect("row 0 of embed");
}

TEST_F(ConversionCheck, RowsOfAnotherTypeWithTheSameNumbers) {
  source_ = test_source(test_config(), {.embed = FloatType::kF16});
  written_ = test_source(test_config(), {.embed = FloatType::kF32});
  EXPECT_TRUE(check().ok());
}

TEST_F(ConversionCheck, EndTokens) {
  source_.end_of_generation = {3};
  expect("end tokens");
  written_.end_of_generation = {2, 3};
  EXPECT_TRUE(check().ok());
}

TEST_F(ConversionCheck, Trits) {
  LinearSource& linear = written_.layers[1].linear[6];
  std::vector<int8_t> trits = all_trits(*linear.trits);
  trits.back() = trits.back() == 0 ? int8_t{1} : int8_t{0};
  replace_trits(linear, trits);
  expect("those written");
}

TEST_F(ConversionCheck, Scales) {
  written_.layers[0].linear[2].scale.values[0] *= 1.001f;
  expect("scale of layers.0.v");
  EXPECT_TRUE(check({.scales = 0.0011}).ok());
  EXPECT_FALSE(check({.scales = 0.0009}).ok());
  source_ = test_source(test_config(), {.scale = Granularity::kRow});
  written_ = test_source(test_config(), {.scale = Granularity::kRow});
  written_.layers[0].linear[0].scale.values.back() *= 1.001f;
  expect("scale of layers.0.q");
}

TEST_F(ConversionCheck, Cancelled) {
  CancelFlag cancel;
  cancel.cancel();
  EXPECT_EQ(check_conversion(source_, written_, test::trits_sha256(source_), {}, pool_, {}, &cancel)
                .code(),
            Code::kCancelled);
}

}  // namespace
}  // namespace rotor
