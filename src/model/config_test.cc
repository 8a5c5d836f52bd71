// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "model/test_model.h"

namespace rotor {
namespace {

using testing::HasSubstr;

std::string refusal(const std::function<void(ModelConfig&)>& change) {
  ModelConfig config = test_config();
  change(config);
  const Status status = validate(config);
  EXPECT_EQ(status.code(), Code::kFormatError);
  return status.message();
}

TEST(Config, AcceptsWhatIsComputed) {
  EXPECT_TRUE(validate(test_config()).ok());
  ModelConfig largest = test_config();
  largest.vocab = largest.hidden = largest.ffn = (size_t{1} << 24) - 1;
  EXPECT_TRUE(validate(largest).ok());
}

TEST(Config, RefusesSizesThatAreZeroOrTooLarge) {
  struct Size {
    size_t ModelConfig::*member;
    const char* name;
  };
  const std::vector<Size> sizes = {
      {&ModelConfig::vocab, "vocab_size"},
      {&ModelConfig::context, "context length"},
      {&ModelConfig::hidden, "hidden_size"},
      {&ModelConfig::ffn, "intermediate_size"},
      {&ModelConfig::layers, "num_hidden_layers"},
      {&ModelConfig::heads, "num_attention_heads"},
      {&ModelConfig::kv_heads, "num_key_value_heads"},
      {&ModelConfig::head_dim, "head_dim"}};
  for (const Size& size : sizes) {
    for (const size_t bad : {size_t{0}, size_t{1} << 24, SIZE_MAX}) {
      const std::string message = refusal([&](ModelConfig& c) { c.*size.member = bad; });
      EXPECT_THAT(message, HasSubstr(size.name));
      EXPECT_THAT(message, HasSubstr("got " + std::to_string(bad)));
    }
  }
}

TEST(Config, RefusesContradictions) {
  EXPECT_THAT(refusal([](ModelConfig& c) { c.kv_heads = 3; }), HasSubstr("not a multiple"));
  EXPECT_THAT(refusal([](ModelConfig& c) { c.head_dim = 13; }), HasSubstr("even"));
  EXPECT_THAT(refusal([](ModelConfig& c) { c.heads = c.head_dim = 4096; }),
              HasSubstr("num_attention_heads * head_dim"));
  for (const float eps : {0.0f, -1.0f, 1.0f, std::nanf("")}) {
    EXPECT_THAT(refusal([&](ModelConfig& c) { c.rms_eps = eps; }), HasSubstr("rms_norm_eps"));
  }
  for (const double theta : {0.0, 1.0, 1e12, std::nan("")}) {
    EXPECT_THAT(refusal([&](ModelConfig& c) { c.rope_theta = theta; }), HasSubstr("rope_theta"));
  }
}

TEST(Config, RefusesMultipliersThatLeaveNothing) {
  for (const float bad : {0.0f, -1.0f, 1e-7f, 1e7f, HUGE_VALF, std::nanf("")}) {
    EXPECT_THAT(refusal([&](ModelConfig& c) { c.embed_scale = bad; }), HasSubstr("the embedding"));
    EXPECT_THAT(refusal([&](ModelConfig& c) { c.residual_scale = bad; }), HasSubstr("the residual"));
    EXPECT_THAT(refusal([&](ModelConfig& c) { c.head_divisor = bad; }), HasSubstr("the head"));
  }
}

TEST(Config, CountsParameters) {
  ModelConfig c = test_config();  // hidden 40, ffn 56, q_rows 48, kv_rows 24, 2 layers
  EXPECT_EQ(ternary_parameters(c), 2u * (40 * 48 + 2 * 40 * 24 + 48 * 40 + 3 * 40 * 56));
  EXPECT_EQ(embedding_parameters(c), 97u * 40);
  c.tied_head = false;
  EXPECT_EQ(embedding_parameters(c), 2u * 97 * 40);
}

}  // namespace
}  // namespace rotor
