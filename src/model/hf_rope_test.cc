// SPDX-License-Identifier: Apache-2.0
// Rotary embedding in config.json: both spellings, every scaling.
#include "model/hf_rope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/hf_config.h"
#include "model/test_files.h"
#include "model/test_hf_config.h"

namespace rotor {
namespace {

using test::HfFiles;
using test::read;

TEST(HfRope, RotaryParametersOfBothStyles) {
  EXPECT_EQ(read("rope_scaling", "null").model.rope_theta, 10000.0);
  EXPECT_EQ(read("rope_scaling", R"({"type":"default"})").model.rope_theta, 10000.0);
  HfFiles files = test::hf_files();
  files.config.erase("rope_theta");
  files.config["rope_parameters"] = R"({"rope_type":"default","rope_theta":5e4})";
  EXPECT_EQ(parse_hf_config(files.config_json(), "config.json")->model.rope_theta, 50000.0);
}

TEST(HfRope, RotaryScaling) {
  const auto scaling = [](const char* json) { return read("rope_scaling", json).model.rope_scaling; };
  EXPECT_EQ(scaling(R"({"type":"default"})"), RopeScaling());
  EXPECT_EQ(scaling(R"({"type":"linear","factor":2})").type, RopeScalingType::kLinear);
  EXPECT_EQ(scaling(R"({"type":"linear","factor":2})").factor, 2.0);
  const RopeScaling llama3 = scaling(
      R"({"rope_type":"llama3","factor":32.0,"low_freq_factor":1.5,"high_freq_factor":4.5,)"
      R"("original_max_position_embeddings":64})");
  EXPECT_EQ(llama3.type, RopeScalingType::kLlama3);
  EXPECT_EQ(llama3.low_freq_factor, 1.5);
  EXPECT_EQ(llama3.high_freq_factor, 4.5);
  EXPECT_EQ(llama3.original_context, 64.0);
  const RopeScaling yarn = scaling(R"({"rope_type":"yarn","factor":4.0})");
  EXPECT_EQ(yarn.type, RopeScalingType::kYarn);
  EXPECT_EQ(yarn.original_context, 128.0);  // max_position_embeddings
  EXPECT_EQ(yarn.attention_factor, yarn_attention_factor(4.0));
  EXPECT_TRUE(yarn.truncate);
  const RopeScaling told = scaling(
      R"({"rope_type":"yarn","factor":4.0,"attention_factor":1.5,"beta_fast":16,"beta_slow":2,)"
      R"("truncate":false})");
  EXPECT_EQ(told.attention_factor, 1.5);
  EXPECT_EQ(told.beta_fast, 16.0);
  EXPECT_EQ(told.beta_slow, 2.0);
  EXPECT_FALSE(told.truncate);
  const double with_scales =
      scaling(R"({"rope_type":"yarn","factor":4.0,"mscale":0.5,"mscale_all_dim":2.0})")
          .attention_factor;
  const double logarithm = yarn_attention_factor(4.0) - 1.0;
  EXPECT_EQ(with_scales, (0.5 * logarithm + 1.0) / (2.0 * logarithm + 1.0));
}

// Both go before rope_parameters and the plain field.
TEST(HfRope, TheOlderNameOfTheRotaryParametersGoesFirst) {
  HfFiles files = test::hf_files();
  files.config["rope_parameters"] = R"({"rope_type":"linear","factor":2.0,"rope_theta":7e3})";
  const auto model = [&] { return parse_hf_config(files.config_json(), "config.json")->model; };
  EXPECT_EQ(model().rope_theta, 7000.0);
  EXPECT_EQ(model().rope_scaling.factor, 2.0);
  files.config["rope_scaling"] = R"({"rope_type":"linear","factor":3.0,"rope_theta":8e3})";
  EXPECT_EQ(model().rope_theta, 8000.0);
  EXPECT_EQ(model().rope_scaling.factor, 3.0);
}

}  // namespace
}  // namespace rotor
