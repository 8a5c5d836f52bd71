// SPDX-License-Identifier: Apache-2.0
// What config.json says of the matrices, in every writer's words.
#include "model/hf_quantization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/hf_config.h"
#include "model/test_files.h"
#include "model/test_hf_config.h"

namespace rotor {
namespace {

using test::HfFiles;
using test::read;
using test::refused;
using test::with;
using testing::HasSubstr;

TEST(HfQuantization, NormsOfTheMatrices) {
  const auto quantization = [](const std::string& fields) {
    return with("quantization_config", R"({"quant_method":"bitnet","use_rms_norm":true)" + fields +
                                           "}");
  };
  EXPECT_TRUE(quantization(R"(,"rms_norm_eps":1e-05)")->model.input_norms);
  EXPECT_THAT(quantization("").status().message(), HasSubstr("rms_norm_eps"));  // 1e-6 of its own
}

TEST(HfQuantization, TheFirstBitnetsTellTheirBitsThemselves) {
  HfFiles files = test::hf_files();
  files.config.erase("quantization_config");
  files.config["model_type"] = R"("llama")";
  files.config["architectures"] = R"(["BitnetForCausalLM"])";
  files.config["weight_bits"] = "1";
  files.config["input_bits"] = "8";
  const auto config = parse_hf_config(files.config_json(), "config.json");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.family, "bitnet");
  EXPECT_TRUE(config->model.attn_sub_norm);
  EXPECT_TRUE(config->quantization.present);
  EXPECT_TRUE(config->quantization.online);
  for (const char* key : {"weight_bits", "input_bits"}) {
    HfFiles other = files;
    other.config[key] = "4";
    const Status status = parse_hf_config(other.config_json(), "config.json").status();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_THAT(status.message(), HasSubstr("expected 'weight_bits' 1 and 'input_bits' 8, got "));
    other.config.erase(key);
    EXPECT_THAT(parse_hf_config(other.config_json(), "config.json").status().message(),
                HasSubstr("nothing"));
  }
}

TEST(HfQuantization, BothMeaningsOfTheWeightScale) {
  const auto quantization = [](const std::string& fields) {
    return read("quantization_config", R"({"quant_method":"bitnet")" + fields + "}").quantization;
  };
  EXPECT_TRUE(quantization("").present);
  EXPECT_FALSE(quantization("").scale_multiplies);
  EXPECT_FALSE(quantization("").online);
  EXPECT_FALSE(quantization(R"(,"linear_class":"bitlinear")").scale_multiplies);
  EXPECT_TRUE(quantization(R"(,"linear_class":"autobitlinear")").scale_multiplies);
  EXPECT_TRUE(quantization(R"(,"quantization_mode":"online")").online);
  EXPECT_FALSE(quantization(R"(,"quantization_mode":"offline")").online);
}

// MLX's setting, which it writes under two names, of which the other names no method.
TEST(HfQuantization, MlxQuantization) {
  for (const size_t group : {64, 128, 256}) {
    const std::string size = std::to_string(group);
    const HfQuantization found =
        read("quantization", R"({"group_size":)" + size + R"(,"bits":2,"mode":"affine"})").quantization;
    EXPECT_EQ(found.mlx_group, group);
    EXPECT_FALSE(found.present);
  }
  EXPECT_EQ(read("rope_theta", "10000.0").quantization.mlx_group, 0u);
  const std::string expected = "quantization: expected 2 bits in groups of 64, 128 or 256";
  for (const char* const bad :
       {R"({"group_size":128,"bits":4})", R"({"group_size":32,"bits":2})", R"({"bits":2})",
        R"({"group_size":-128,"bits":2})", R"({"group_size":128,"bits":2,"mode":"mxfp4"})", "7"}) {
    EXPECT_THAT(refused("quantization", bad), HasSubstr(expected)) << bad;
  }
  for (const char* const other : {"false", R"({"group_size":64,"bits":8})"}) {
    EXPECT_THAT(refused("quantization", R"({"group_size":128,"bits":2,"model.embed_tokens":)" +
                                            std::string(other) + "}"),
                HasSubstr("'model.embed_tokens' has a setting of its own"));
  }
}

}  // namespace
}  // namespace rotor
