// SPDX-License-Identifier: Apache-2.0
#include "model/rotor_config.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <iterator>
#include <utility>

#include "base/json.h"
#include "model/family.h"

namespace rotor {
namespace {

constexpr std::array<std::pair<FloatType, std::string_view>, 7> kFloatTypes = {
    {{FloatType::kF32, "f32"},
     {FloatType::kF16, "f16"},
     {FloatType::kBf16, "bf16"},
     {FloatType::kQ8_0, "q8_0"},
     {FloatType::kQ6K, "q6_k"},
     {FloatType::kQ4_0, "q4_0"},
     {FloatType::kQ4K, "q4_k"}}};

// Written where they hold: older files do not know them.
constexpr std::pair<std::string_view, bool ModelConfig::*> kLaterFlags[] = {
    {"qk_norm", &ModelConfig::qk_norm},
    {"input_norms", &ModelConfig::input_norms},
    {"float_activations", &ModelConfig::float_activations},
    {"post_norms", &ModelConfig::post_norms},
    {"global_unturned", &ModelConfig::global_unturned}};
// Written where they are not 0.
constexpr std::pair<std::string_view, size_t ModelConfig::*> kLaterSizes[] = {
    {"global_every", &ModelConfig::global_every},
    {"rotary_dims", &ModelConfig::rotary_dims},
    {"experts", &ModelConfig::experts},
    {"experts_used", &ModelConfig::experts_used}};
// Written where they are not 1.
constexpr std::pair<std::string_view, float ModelConfig::*> kMultipliers[] = {
    {"embed_scale", &ModelConfig::embed_scale},
    {"residual_scale", &ModelConfig::residual_scale},
    {"head_divisor", &ModelConfig::head_divisor}};
constexpr RopeScalingType kScalingTypes[] = {RopeScalingType::kLinear, RopeScalingType::kLlama3,
                                             RopeScalingType::kYarn, RopeScalingType::kDivisors};
constexpr std::pair<std::string_view, double RopeScaling::*> kScalingNumbers[] = {
    {"factor", &RopeScaling::factor},
    {"original_context", &RopeScaling::original_context},
    {"low_freq_factor", &RopeScaling::low_freq_factor},
    {"high_freq_factor", &RopeScaling::high_freq_factor},
    {"beta_fast", &RopeScaling::beta_fast},
    {"beta_slow", &RopeScaling::beta_slow},
    {"attention_factor", &RopeScaling::attention_factor}};

Status read_size(JsonValue root, std::string_view key, const std::string& name, size_t& out) {
  ROTOR_ASSIGN(const std::optional<int64_t> value, json_integer(root, key, name));
  if (!value || *value < 0) {
    return format_error(name + ": '" + std::string(key) + "': expected a size, got " +
                        (value ? std::to_string(*value) : "nothing"));
  }
  out = static_cast<size_t>(*value);
  return {};
}

Status read_float_type(JsonValue root, std::string_view key, const std::string& name,
                       FloatType& out) {
  ROTOR_ASSIGN(const std::optional<std::string> text, json_string(root, key, name));
  for (const auto& [type, type_name] : kFloatTypes) {
    if (text && *text == type_name) {
      out = type;
      return {};
    }
  }
  return format_error(name + ": '" + std::string(key) +
                      "': expected f32, f16, bf16, q8_0, q6_k, q4_0 or q4_k, got '" +
                      text.value_or("") + "'");
}

Status read_flags(JsonValue root, const std::string& name, ModelConfig& model) {
  const auto read = [&](std::string_view key, bool& out) -> Status {
    ROTOR_ASSIGN(const std::optional<bool> value, json_bool(root, key, name));
    if (!value) {
      return format_error(name + ": '" + std::string(key) +
                          "': expected true or false, got nothing");
    }
    out = *value;
    return {};
  };
  ROTOR_TRY(read("attn_sub_norm", model.attn_sub_norm));
  ROTOR_TRY(read("ffn_sub_norm", model.ffn_sub_norm));
  ROTOR_TRY(read("tied_head", model.tied_head));
  for (const auto& [key, flag] : kLaterFlags) {
    ROTOR_ASSIGN(const std::optional<bool> value, json_bool(root, key, name));
    model.*flag = value.value_or(false);
  }
  for (const auto& [key, multiplier] : kMultipliers) {
    ROTOR_ASSIGN(const std::optional<double> value, json_number(root, key, name));
    model.*multiplier = static_cast<float>(value.value_or(1.0));
  }
  ROTOR_ASSIGN(const std::optional<double> scale, json_number(root, "attention_scale", name));
  ROTOR_ASSIGN(const std::optional<double> theta, json_number(root, "local_rope_theta", name));
  model.attention_scale = static_cast<float>(scale.value_or(0.0));
  model.local_rope_theta = theta.value_or(0.0);
  ROTOR_ASSIGN(const std::optional<double> limit, json_number(root, "gate_limit", name));
  model.gate_limit = static_cast<float>(limit.value_or(0.0));
  for (const auto& [key, size] : kLaterSizes) {
    if (json_member(root, key)) {
      ROTOR_TRY(read_size(root, key, name, model.*size));
    }
  }
  ROTOR_ASSIGN(const std::optional<std::string> value, json_string(root, "activation", name));
  const std::optional<Activation> activation = find_activation(value.value_or(""));
  if (!activation) {
    return unsupported(name + ": 'activation': expected relu2, silu or gelu_tanh, got '" +
                       value.value_or("") + "'");
  }
  model.activation = *activation;
  return {};
}

// Absent where nothing is stated.
Status read_pooling(JsonValue root, const std::string& name, Pooling& out) {
  ROTOR_ASSIGN(const std::optional<std::string> value, json_string(root, "pooling", name));
  if (!value) {
    return {};
  }
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    if (*value == pooling_name(pooling)) {
      out = pooling;
      return {};
    }
  }
  return unsupported(name + ": 'pooling': expected mean, first or last, got '" + *value + "'");
}

// An object, absent where nothing is scaled: rope_scaling_json() with every field it writes.
Status read_rope_scaling(JsonValue root, const std::string& name, RopeScaling& out) {
  const std::optional<JsonValue> object = json_member(root, "rope_scaling");
  if (!object) {
    return {};
  }
  ROTOR_ASSIGN(const std::optional<std::string> type, json_string(*object, "type", name));
  const auto* const found = std::find_if(
      std::begin(kScalingTypes), std::end(kScalingTypes),
      [&](RopeScalingType t) { return type && rope_scaling_name(t) == *type; });
  if (found == std::end(kScalingTypes)) {
    return unsupported(name + ": 'rope_scaling': expected type linear, llama3, yarn or divisors, "
                       "got '" + type.value_or("") + "'");
  }
  out.type = *found;
  for (const auto& [key, field] : kScalingNumbers) {
    ROTOR_ASSIGN(const std::optional<double> value, json_number(*object, key, name));
    out.*field = value.value_or(out.*field);
  }
  ROTOR_ASSIGN(const std::optional<bool> truncate, json_bool(*object, "truncate", name));
  out.truncate = truncate.value_or(out.truncate);
  JsonArray list;
  const std::optional<JsonValue> divisors = json_member(*object, "divisors");
  if (!divisors) {
    return {};
  }
  if (divisors->get_array().get(list) != simdjson::SUCCESS) {
    return format_error(name + ": 'divisors': expected a list of numbers");
  }
  for (JsonValue element : list) {
    double value = 0.0;
    if (element.get_double().get(value) != simdjson::SUCCESS) {
      return format_error(name + ": 'divisors': expected a list of numbers");
    }
    out.divisors.push_back(static_cast<float>(value));
  }
  return {};
}

boost::json::object rope_scaling_json(const RopeScaling& scaling) {
  boost::json::object out;
  out["type"] = rope_scaling_name(scaling.type);
  for (const auto& [key, field] : kScalingNumbers) {
    out[key] = scaling.*field;
  }
  out["truncate"] = scaling.truncate;
  if (!scaling.divisors.empty()) {
    out["divisors"] = boost::json::value_from(scaling.divisors);
  }
  return out;
}

Status read_lists(JsonValue root, const std::string& name, RotorConfig& config) {
  if (const std::optional<JsonValue> value = json_member(root, "end_of_generation")) {
    JsonArray list;
    if (value->get_array().get(list) != simdjson::SUCCESS) {
      return format_error(name + ": 'end_of_generation': expected a list of token ids");
    }
    for (JsonValue element : list) {
      int64_t id = 0;
      if (element.get_int64().get(id) != simdjson::SUCCESS || id < 0 || id > INT32_MAX) {
        return format_error(name + ": 'end_of_generation': expected token ids");
      }
      config.end_of_generation.push_back(static_cast<TokenId>(id));
    }
  }
  if (const std::optional<JsonValue> value = json_member(root, "notes")) {
    JsonArray list;
    if (value->get_array().get(list) != simdjson::SUCCESS) {
      return format_error(name + ": 'notes': expected a list of texts");
    }
    for (JsonValue element : list) {
      std::string_view text;
      if (element.get_string().get(text) != simdjson::SUCCESS) {
        return format_error(name + ": 'notes': expected a list of texts");
      }
      config.notes.emplace_back(text);
    }
  }
  return {};
}

Status read_defaults(JsonValue root, const std::string& name, GenerationDefaults& out) {
  const std::optional<JsonValue> value = json_member(root, "generation");
  if (!value) {
    return {};
  }
  if (!value->is_object()) {
    return format_error(name + ": 'generation': expected an object");
  }
  ROTOR_ASSIGN(out, read_generation_defaults(*value, name));
  return {};
}

boost::json::object write_defaults(const GenerationDefaults& defaults) {
  boost::json::object out;
  if (defaults.temperature) {
    out["temperature"] = *defaults.temperature;
  }
  if (defaults.top_p) {
    out["top_p"] = *defaults.top_p;
  }
  if (defaults.top_k) {
    out["top_k"] = *defaults.top_k;
  }
  if (defaults.do_sample) {
    out["do_sample"] = *defaults.do_sample;
  }
  return out;
}

}  // namespace

std::string_view float_type_name(FloatType type) {
  for (const auto& [candidate, name] : kFloatTypes) {
    if (candidate == type) {
      return name;
    }
  }
  return "unknown";
}

std::string write_rotor_config(const RotorConfig& config) {
  const ModelConfig& m = config.model;
  boost::json::object out;
  out["family"] = m.family;
  out["name"] = m.name;
  out["vocab_size"] = m.vocab;
  out["context_length"] = m.context;
  out["hidden_size"] = m.hidden;
  out["intermediate_size"] = m.ffn;
  out["num_hidden_layers"] = m.layers;
  out["num_attention_heads"] = m.heads;
  out["num_key_value_heads"] = m.kv_heads;
  out["head_dim"] = m.head_dim;
  out["rms_norm_eps"] = m.rms_eps;
  out["rope_theta"] = m.rope_theta;
  if (m.rope_scaling.type != RopeScalingType::kNone) {
    out["rope_scaling"] = rope_scaling_json(m.rope_scaling);
  }
  out["activation"] = activation_name(m.activation);
  out["attn_sub_norm"] = m.attn_sub_norm;
  out["ffn_sub_norm"] = m.ffn_sub_norm;
  if (m.pooling != Pooling::kUnstated) {
    out["pooling"] = pooling_name(m.pooling);
  }
  out["tied_head"] = m.tied_head;
  for (const auto& [key, flag] : kLaterFlags) {
    if (m.*flag) {
      out[key] = true;
    }
  }
  for (const auto& [key, multiplier] : kMultipliers) {
    if (m.*multiplier != 1.0f) {
      out[key] = m.*multiplier;
    }
  }
  if (m.attention_scale != 0.0f) {
    out["attention_scale"] = m.attention_scale;
  }
  if (m.local_rope_theta != 0.0) {
    out["local_rope_theta"] = m.local_rope_theta;
  }
  if (m.gate_limit != 0.0f) {
    out["gate_limit"] = m.gate_limit;
  }
  for (const auto& [key, size] : kLaterSizes) {
    if (m.*size != 0) {
      out[key] = m.*size;
    }
  }
  out["attention_window"] = m.attention_window;
  out["embed_type"] = float_type_name(config.embed_type);
  out["head_type"] = float_type_name(config.head_type);
  out["end_of_generation"] = boost::json::value_from(config.end_of_generation);
  out["generation"] = write_defaults(config.generation_defaults);
  out["notes"] = boost::json::value_from(config.notes);
  return boost::json::serialize(out);
}

Result<RotorConfig> parse_rotor_config(std::string_view json, const std::string& name) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  const JsonValue root = document.root();
  RotorConfig config;
  ModelConfig& m = config.model;
  ROTOR_ASSIGN(const std::optional<std::string> family, json_string(root, "family", name));
  if (!family || !is_family(*family)) {
    return unsupported(name + ": 'family': this version does not know '" + family.value_or("") +
                       "'");
  }
  m.family = *family;
  ROTOR_ASSIGN(std::optional<std::string> model_name, json_string(root, "name", name));
  m.name = std::move(model_name).value_or("");
  ROTOR_TRY(read_size(root, "vocab_size", name, m.vocab));
  ROTOR_TRY(read_size(root, "context_length", name, m.context));
  ROTOR_TRY(read_size(root, "hidden_size", name, m.hidden));
  ROTOR_TRY(read_size(root, "intermediate_size", name, m.ffn));
  ROTOR_TRY(read_size(root, "num_hidden_layers", name, m.layers));
  ROTOR_TRY(read_size(root, "num_attention_heads", name, m.heads));
  ROTOR_TRY(read_size(root, "num_key_value_heads", name, m.kv_heads));
  ROTOR_TRY(read_size(root, "head_dim", name, m.head_dim));
  ROTOR_TRY(read_size(root, "attention_window", name, m.attention_window));
  ROTOR_ASSIGN(const std::optional<double> eps, json_number(root, "rms_norm_eps", name));
  ROTOR_ASSIGN(const std::optional<double> theta, json_number(root, "rope_theta", name));
  m.rms_eps = static_cast<float>(eps.value_or(0.0));
  m.rope_theta = theta.value_or(0.0);
  ROTOR_TRY(read_rope_scaling(root, name, m.rope_scaling));
  ROTOR_TRY(read_flags(root, name, m));
  ROTOR_TRY(read_pooling(root, name, m.pooling));
  ROTOR_TRY(read_float_type(root, "embed_type", name, config.embed_type));
  ROTOR_TRY(read_float_type(root, "head_type", name, config.head_type));
  ROTOR_TRY(read_lists(root, name, config));
  ROTOR_TRY(read_defaults(root, name, config.generation_defaults));
  ROTOR_TRY(validate(m).with_context(name));
  return config;
}

}  // namespace rotor
