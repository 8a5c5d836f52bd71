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

TEST(Config, RefusesExpertsThatContradictEachOther) {
  EXPECT_TRUE(validate(experts_config()).ok());
  const auto with = [](const std::function<void(ModelConfig&)>& change) {
    return refusal([&](ModelConfig& c) {
      c = experts_config();
      change(c);
    });
  };
  EXPECT_THAT(with([](ModelConfig& c) { c.experts = 4097; }), HasSubstr("number of experts: expected 1..4096"));
  EXPECT_THAT(with([](ModelConfig& c) { c.experts_used = 0; }), HasSubstr("for a token: expected 1..5, got 0"));
  EXPECT_THAT(with([](ModelConfig& c) { c.experts_used = 6; }), HasSubstr("for a token: expected 1..5, got 6"));
  EXPECT_THAT(with([](ModelConfig& c) { c.experts_used = SIZE_MAX; }), HasSubstr("for a token"));
  EXPECT_THAT(with([](ModelConfig& c) { c.experts = 0; }), HasSubstr("2 experts for a token"));
  EXPECT_THAT(with([](ModelConfig& c) {
                c.experts = 4096;
                c.ffn = 4096;
              }),
              HasSubstr("number of experts * width"));
  EXPECT_THAT(with([](ModelConfig& c) {
                c.experts = 4096;
                c.hidden = 4096;
              }),
              HasSubstr("number of experts * hidden_size"));
  for (const size_t dims : {7u, 14u}) {  // odd, or more than the 12 of a head
    EXPECT_THAT(with([&](ModelConfig& c) { c.rotary_dims = dims; }), HasSubstr("dimensions of a head"));
  }
  for (const float limit : {-1.0f, 1e7f, HUGE_VALF, std::nanf("")}) {
    EXPECT_THAT(with([&](ModelConfig& c) { c.gate_limit = limit; }), HasSubstr("gate and up"));
  }
}

TEST(Config, NamesExpertsThatAreNotComputed) {
  for (const auto& change : std::vector<std::function<void(ModelConfig&)>>{
           [](ModelConfig& c) { c.ffn = 40; }, [](ModelConfig& c) { c.hidden = 40; },
           [](ModelConfig& c) { c.ffn_sub_norm = true; }, [](ModelConfig& c) { c.input_norms = true; },
           [](ModelConfig& c) { c.post_norms = true; }}) {
    ModelConfig config = experts_config();
    change(config);
    EXPECT_EQ(validate(config).code(), Code::kUnsupported);
  }
}

TEST(Config, FindsWhichLayersSeeAllPositions) {
  EXPECT_EQ(global_every_of({}), 0u);
  EXPECT_EQ(global_every_of({true, true}), 0u);
  EXPECT_EQ(global_every_of({false, false}), 1u);
  EXPECT_EQ(global_every_of({true, false, true, false}), 2u);
  EXPECT_EQ(global_every_of({true, true, false, true}), 3u);
  EXPECT_EQ(global_every_of({true, true, false, true, true, true}), std::nullopt);
  EXPECT_EQ(global_every_of({true, true, false, true, false}), std::nullopt);
  EXPECT_EQ(global_every_of({false, true}), std::nullopt);
  ModelConfig c = experts_config();
  EXPECT_TRUE(c.is_turned(0) && !c.is_turned(1));
  c.global_unturned = false;
  EXPECT_TRUE(c.is_turned(1));
}

TEST(Config, ExpertsThatRowsRead) {
  EXPECT_EQ(stacked_read(test_config(), 100), 1.0);
  ModelConfig c = experts_config();
  c.experts = 8;
  EXPECT_DOUBLE_EQ(stacked_read(c, 1), 2.0);
  EXPECT_DOUBLE_EQ(stacked_read(c, 2), 3.5);  // the second meets one of the first's in a quarter of its choices
  EXPECT_NEAR(stacked_read(c, 100), 8.0, 1e-9);
}

TEST(Config, CountsParameters) {
  ModelConfig c = test_config();  // hidden 40, ffn 56, q_rows 48, kv_rows 24, 2 layers
  EXPECT_EQ(ternary_parameters(c), 2u * (40 * 48 + 2 * 40 * 24 + 48 * 40 + 3 * 40 * 56));
  EXPECT_EQ(embedding_parameters(c), 97u * 40);
  c.tied_head = false;
  EXPECT_EQ(embedding_parameters(c), 2u * 97 * 40);
  EXPECT_EQ(parameters_of_token(c), ternary_parameters(c));
  c.experts = 4;
  c.experts_used = 3;
  EXPECT_EQ(ternary_parameters(c), 2u * (40 * 48 + 2 * 40 * 24 + 48 * 40 + 4 * 3 * 40 * 56));
  EXPECT_EQ(parameters_of_token(c), 2u * (40 * 48 + 2 * 40 * 24 + 48 * 40 + 3 * 3 * 40 * 56));
}

}  // namespace
}  // namespace rotor
