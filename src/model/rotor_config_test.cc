// SPDX-License-Identifier: Apache-2.0
// The config of a .rotor file: what is written is read back, and every key that is missing, of
// another type or out of range is refused by its name.
#include "model/rotor_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "model/test_model.h"

namespace rotor {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
namespace json = boost::json;

RotorConfig full_config() {
  RotorConfig config;
  config.model = test_config();
  config.model.name = "name with \"quotes\"";
  config.model.tied_head = false;
  config.model.attn_sub_norm = false;
  config.model.activation = Activation::kSilu;
  config.model.qk_norm = true;
  config.model.input_norms = true;
  config.model.float_activations = true;
  config.model.post_norms = true;
  config.model.global_every = 6;
  config.model.global_unturned = true;
  config.model.rotary_dims = 12;
  config.model.gate_limit = 7.0f;
  config.model.local_rope_theta = 1e4 / 3.0;
  config.model.attention_scale = 0.07f;
  config.model.embed_scale = 12.0f;
  config.model.residual_scale = 1.4f / 3.0f;
  config.model.head_divisor = 2.5f;
  config.model.pooling = Pooling::kLast;
  config.model.attention_window = 64;
  config.model.rms_eps = 1.5e-6f;
  config.model.rope_theta = 1e6 / 3.0;
  config.embed_type = FloatType::kQ6K;
  config.head_type = FloatType::kF16;
  config.end_of_generation = {3, 0, INT32_MAX};
  config.generation_defaults = {.temperature = 0.6f, .top_p = 0.95f, .top_k = 0, .do_sample = true};
  config.notes = {"one", ""};
  return config;
}

// What the reader says of the full config with one key changed; null takes the key away.
Status parse_with(const char* key, const json::value& value) {
  json::object config = json::parse(write_rotor_config(full_config())).as_object();
  EXPECT_TRUE(config.contains(key)) << key;
  if (value.is_null()) {
    config.erase(key);
  } else {
    config[key] = value;
  }
  return parse_rotor_config(json::serialize(config), "m.rotor").status();
}

void expect_refused(const char* key, const json::value& value) {
  const Status status = parse_with(key, value);
  EXPECT_FALSE(status.ok()) << key << " = " << value;
  EXPECT_THAT(status.message(), AllOf(HasSubstr("m.rotor: "), HasSubstr(key))) << value;
}

TEST(RotorConfig, IsReadBack) {
  const RotorConfig config = full_config();
  const auto again = parse_rotor_config(write_rotor_config(config), "m.rotor");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->model, config.model);
  EXPECT_EQ(again->embed_type, config.embed_type);
  EXPECT_EQ(again->head_type, config.head_type);
  EXPECT_EQ(again->end_of_generation, config.end_of_generation);
  EXPECT_EQ(again->generation_defaults, config.generation_defaults);
  EXPECT_EQ(again->notes, config.notes);
}

// Files of before these flags do not have them.
TEST(RotorConfig, LaterFlagsMayBeAbsent) {
  RotorConfig config = full_config();
  config.model.qk_norm = false;
  config.model.input_norms = false;
  config.model.float_activations = false;
  config.model.post_norms = false;
  config.model.global_every = 0;
  config.model.global_unturned = false;
  config.model.rotary_dims = 0;
  config.model.gate_limit = 0.0f;
  config.model.local_rope_theta = 0.0;
  config.model.attention_scale = 0.0f;
  config.model.embed_scale = config.model.residual_scale = config.model.head_divisor = 1.0f;
  config.model.pooling = Pooling::kUnstated;
  const std::string text = write_rotor_config(config);
  for (const char* key : {"qk_norm", "input_norms", "float_activations", "post_norms", "global_every",
                          "global_unturned", "rotary_dims", "gate_limit", "experts", "local_rope_theta", "attention_scale", "embed_scale",
                          "residual_scale", "head_divisor", "pooling", "rope_scaling"}) {
    EXPECT_EQ(text.find(key), std::string::npos) << key;
  }
  EXPECT_EQ(parse_rotor_config(text, "m.rotor")->model, config.model);
  for (const char* key : {"qk_norm", "input_norms", "float_activations", "post_norms", "global_unturned",
                          "pooling"}) {
    EXPECT_TRUE(parse_with(key, {}).ok());
    expect_refused(key, 1);
  }
  for (const char* key : {"global_every", "rotary_dims", "gate_limit", "local_rope_theta",
                          "attention_scale", "embed_scale", "residual_scale", "head_divisor"}) {
    EXPECT_TRUE(parse_with(key, {}).ok());
    expect_refused(key, "12");
  }
  EXPECT_THAT(parse_with("head_divisor", 0.0).message(), HasSubstr("multiplier of the head"));
  expect_refused("pooling", "rank");
}

TEST(RotorConfig, ExpertsAreReadBack) {
  RotorConfig config = full_config();
  config.model = experts_config();
  const std::string text = write_rotor_config(config);
  EXPECT_EQ(parse_rotor_config(text, "m.rotor")->model, config.model);
  for (const auto& [key, bad] : std::vector<std::pair<const char*, json::value>>{
           {"experts", 0}, {"experts", 1}, {"experts", -1}, {"experts", "5"}, {"experts_used", 6},
           {"experts_used", nullptr}, {"experts", 1e9}}) {
    json::object changed = json::parse(text).as_object();
    if (bad.is_null()) {
      changed.erase(key);
    } else {
      changed[key] = bad;
    }
    EXPECT_EQ(parse_rotor_config(json::serialize(changed), "m.rotor").status().code(), Code::kFormatError)
        << key << " " << bad;
  }
}

TEST(RotorConfig, RotaryScalingIsReadBack) {
  for (const RopeScalingType type : {RopeScalingType::kLinear, RopeScalingType::kLlama3,
                                     RopeScalingType::kYarn, RopeScalingType::kDivisors}) {
    RotorConfig config = full_config();
    RopeScaling& scaling = config.model.rope_scaling;
    scaling = {type, 10.0 / 3, 8192, 1.0 / 3, 2.0 / 3, 31.7, 1.3, false, 1.0 / 0.7, {}};
    if (type == RopeScalingType::kDivisors) {
      scaling.divisors = {1.0f, 1.1f, 1e3f / 3, 2.0f, 3.0f, 4.0f};
    }
    const auto again = parse_rotor_config(write_rotor_config(config), "m.rotor");
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->model, config.model);
  }
}

TEST(RotorConfig, RefusesRotaryScaling) {
  json::object config = json::parse(write_rotor_config(full_config())).as_object();
  const auto refusal = [&](const json::object& scaling) {
    config["rope_scaling"] = scaling;
    const Status status = parse_rotor_config(json::serialize(config), "m.rotor").status();
    EXPECT_FALSE(status.ok()) << json::value(scaling);
    return status.message();
  };
  EXPECT_THAT(refusal({}), HasSubstr("expected type linear, llama3, yarn or divisors, got ''"));
  EXPECT_THAT(refusal({{"type", "none"}}), HasSubstr("got 'none'"));
  EXPECT_THAT(refusal({{"type", "linear"}, {"factor", "2"}}), HasSubstr("factor"));
  EXPECT_THAT(refusal({{"type", "linear"}, {"factor", 0.5}}), HasSubstr("factor must lie in"));
  EXPECT_THAT(refusal({{"type", "divisors"}}), HasSubstr("expected 6 divisors, got 0"));
  EXPECT_THAT(refusal({{"type", "divisors"}, {"divisors", 1}}), HasSubstr("expected a list"));
  EXPECT_THAT(refusal({{"type", "divisors"}, {"divisors", json::array{"1"}}}),
              HasSubstr("expected a list of numbers"));
}

TEST(RotorConfig, NamesOfFloatTypes) {
  std::vector<std::string_view> names;
  for (const FloatType type :
       {FloatType::kF32, FloatType::kF16, FloatType::kBf16, FloatType::kQ8_0, FloatType::kQ6K,
        FloatType::kQ4_0, FloatType::kQ4K}) {
    names.push_back(float_type_name(type));
    EXPECT_TRUE(parse_with("embed_type", json::string(names.back())).ok());
  }
  EXPECT_THAT(names, ElementsAre("f32", "f16", "bf16", "q8_0", "q6_k", "q4_0", "q4_k"));
}

constexpr const char* kSizes[] = {
    "vocab_size",          "context_length",    "hidden_size",
    "intermediate_size",   "num_hidden_layers", "head_dim",
    "num_attention_heads", "attention_window",  "num_key_value_heads"};
constexpr const char* kNumbers[] = {"rms_norm_eps", "rope_theta"};
constexpr const char* kFlags[] = {"attn_sub_norm", "ffn_sub_norm", "tied_head"};
constexpr const char* kTexts[] = {"family", "activation", "embed_type", "head_type"};

TEST(RotorConfig, RefusesSizes) {
  for (const char* key : kSizes) {
    for (const json::value& bad : {json::value(), json::value("40"), json::value(40.5),
                                   json::value(-1), json::value(UINT64_MAX), json::value(true)}) {
      expect_refused(key, bad);
    }
    if (std::string_view(key) != "attention_window") {  // any window is computed, 0 is none
      for (const int64_t bad : {int64_t{0}, int64_t{1} << 24, INT64_MAX}) {
        EXPECT_FALSE(parse_with(key, bad).ok()) << key << " = " << bad;
      }
    }
  }
}

TEST(RotorConfig, RefusesNumbersFlagsAndTexts) {
  for (const char* key : kNumbers) {
    for (const json::value& bad : {json::value(), json::value("1"), json::value(0.0),
                                   json::value(-1.0), json::value(1e12), json::value(false)}) {
      expect_refused(key, bad);
    }
  }
  for (const char* key : kFlags) {
    for (const json::value& bad : {json::value(), json::value(1), json::value("true")}) {
      expect_refused(key, bad);
    }
  }
  for (const char* key : kTexts) {
    for (const json::value& bad : {json::value(), json::value(1), json::value("other")}) {
      expect_refused(key, bad);
    }
  }
  expect_refused("name", 7);
}

TEST(RotorConfig, RefusesLists) {
  const json::array negative = {1, -1};
  const json::array large = {int64_t{INT32_MAX} + 1};
  const json::array words = {"one"};
  for (const json::value& bad :
       {json::value(3), json::value(negative), json::value(large), json::value(words)}) {
    expect_refused("end_of_generation", bad);
  }
  expect_refused("notes", "a note");
  expect_refused("notes", json::array{"a note", 1});
}

// Wrong types are refused; a recommendation that no sampler could follow is not taken.
TEST(RotorConfig, GenerationDefaults) {
  expect_refused("generation", json::array{});
  for (const char* key : {"temperature", "top_p", "top_k", "do_sample"}) {
    const Status status = parse_with("generation", json::object{{key, "high"}});
    EXPECT_THAT(status.message(), HasSubstr(key));
  }
  json::object config = json::parse(write_rotor_config(full_config())).as_object();
  config["generation"] = {{"temperature", -1.0}, {"top_p", 1.5}, {"top_k", -1}};
  const auto parsed = parse_rotor_config(json::serialize(config), "m.rotor");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->generation_defaults, GenerationDefaults());
}

TEST(RotorConfig, RefusesWhatIsNoObject) {
  for (const char* text : {"", "{", "[]", "1", "{}", "null", "\xff"}) {
    const Status status = parse_rotor_config(text, "m.rotor").status();
    EXPECT_THAT(status.message(), HasSubstr("m.rotor: ")) << text;
  }
}

TEST(RotorConfig, SizesThatContradictEachOtherAreRefused) {
  EXPECT_THAT(parse_with("num_key_value_heads", 3).message(), HasSubstr("not a multiple"));
  EXPECT_THAT(parse_with("head_dim", 13).message(), HasSubstr("even"));
}

}  // namespace
}  // namespace rotor
