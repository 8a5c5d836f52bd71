// SPDX-License-Identifier: Apache-2.0
#include "model/hf_rope.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "model/hf_fields.h"

namespace rotor {
namespace {

// "default", "linear", ... of a rope_scaling or rope_parameters object.
Result<std::string> rope_type(JsonValue object, const char* key, const std::string& name) {
  for (const char* kind : {"rope_type", "type"}) {
    ROTOR_ASSIGN(std::optional<std::string> type, json_string(object, kind, name));
    if (type) {
      return *std::move(type);
    }
  }
  if (json_member(object, "factor")) {
    return format_error(name + ": '" + key + "' has a factor but names no rope_type");
  }
  return std::string("default");
}

Status read_yarn(JsonValue object, const std::string& name, RopeScaling& out) {
  double scale = 0.0;      // of the logarithm in the attention factor
  double scale_all = 0.0;  // of that which it is divided by
  ROTOR_TRY(read_number(object, "beta_fast", name, out.beta_fast));
  ROTOR_TRY(read_number(object, "beta_slow", name, out.beta_slow));
  ROTOR_TRY(read_number(object, "mscale", name, scale));
  ROTOR_TRY(read_number(object, "mscale_all_dim", name, scale_all));
  ROTOR_ASSIGN(const std::optional<bool> truncate, json_bool(object, "truncate", name));
  out.truncate = truncate.value_or(true);
  out.attention_factor = yarn_attention_factor(out.factor);
  if (scale != 0.0 && scale_all != 0.0) {
    const double logarithm = out.attention_factor - 1.0;
    out.attention_factor = (scale * logarithm + 1.0) / (scale_all * logarithm + 1.0);
  }
  return read_number(object, "attention_factor", name, out.attention_factor);
}

// Of the two lists that divide the frequencies, one counts up to the original context and the other
// beyond, where all keys would have to be turned anew: only the former is computed.
Status read_longrope(JsonValue object, JsonValue root, const std::string& name, ModelConfig& model) {
  double original = 0.0;
  double attention_factor = 1.0;
  constexpr const char* kOriginal = "original_max_position_embeddings";
  ROTOR_TRY(read_number(object, kOriginal, name, original));
  ROTOR_TRY(read_number(root, kOriginal, name, original));
  ROTOR_TRY(read_number(object, "attention_factor", name, attention_factor));
  if (original < static_cast<double>(model.context) || attention_factor != 1.0) {
    return unsupported(name + ": rotary scaling 'longrope' beyond its original context of " +
                       std::to_string(static_cast<int64_t>(original)) + " positions is not supported; "
                       "this model has " + std::to_string(model.context));
  }
  JsonArray list;
  const std::optional<JsonValue> factors = json_member(object, "short_factor");
  if (!factors || factors->get_array().get(list) != simdjson::SUCCESS) {
    return format_error(name + ": rotary scaling 'longrope' lacks the field 'short_factor'");
  }
  model.rope_scaling.type = RopeScalingType::kDivisors;
  for (JsonValue element : list) {
    double value = 0.0;
    if (element.get_double().get(value) != simdjson::SUCCESS) {
      return format_error(name + ": 'short_factor': expected a list of numbers");
    }
    model.rope_scaling.divisors.push_back(static_cast<float>(value));
  }
  return {};
}

Status read_rope_scaling(JsonValue object, const std::string& type, JsonValue root,
                         const std::string& name, ModelConfig& model) {
  RopeScaling& scaling = model.rope_scaling;
  if (type == "longrope") {
    return read_longrope(object, root, name, model);
  }
  const bool llama3 = type == "llama3";
  if (type != "linear" && !llama3 && type != "yarn") {
    return unsupported(name + ": rotary scaling '" + type + "' is not supported; expected linear, "
                       "llama3, longrope or yarn");
  }
  std::vector<const char*> required = {"factor"};
  if (llama3) {
    required.insert(required.end(), {"low_freq_factor", "high_freq_factor"});
  }
  for (const char* key : required) {
    if (!json_member(object, key)) {
      return format_error(name + ": rotary scaling '" + type + "' lacks the field '" + key + "'");
    }
  }
  scaling.type = type == "linear" ? RopeScalingType::kLinear
                 : llama3         ? RopeScalingType::kLlama3 : RopeScalingType::kYarn;
  scaling.original_context = static_cast<double>(model.context);
  ROTOR_TRY(read_number(object, "factor", name, scaling.factor));
  constexpr const char* kOriginal = "original_max_position_embeddings";
  ROTOR_TRY(read_number(object, kOriginal, name, scaling.original_context));
  ROTOR_TRY(read_number(root, kOriginal, name, scaling.original_context));
  ROTOR_TRY(read_number(object, "low_freq_factor", name, scaling.low_freq_factor));
  ROTOR_TRY(read_number(object, "high_freq_factor", name, scaling.high_freq_factor));
  return scaling.type == RopeScalingType::kYarn ? read_yarn(object, name, scaling) : Status();
}

// The fields of a partial rotation, which is computed in Maple's layers alone.
Status check_whole_rotation(JsonValue object, const std::string& name, const ModelConfig& model) {
  double share = 1.0;
  ROTOR_TRY(read_number(object, "partial_rotary_factor", name, share));
  if (share != 1.0 && model.experts == 0) {
    return unsupported(name + ": 'partial_rotary_factor' is " + std::to_string(share) +
                       ": rotary embedding of a part of a head is not supported");
  }
  return {};
}

}  // namespace

// rope_scaling is the older name of rope_parameters and goes before it, as in transformers.
Status read_hf_rope(JsonValue root, const std::string& name, ModelConfig& model) {
  ROTOR_TRY(read_number(root, "rope_theta", name, model.rope_theta));
  ROTOR_TRY(check_whole_rotation(root, name, model));
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const std::optional<JsonValue> object = json_member(root, key);
    if (!object) {
      continue;
    }
    if (!object->is_object()) {
      return format_error(name + ": '" + key + "': expected an object");
    }
    JsonValue whole = *object;  // of layers without a window, where those are told apart
    if (const auto local = json_member(*object, "sliding_attention"); local && local->is_object()) {
      ROTOR_TRY(read_number(*local, "rope_theta", name, model.local_rope_theta));
      ROTOR_TRY(check_whole_rotation(*local, name, model));
      ROTOR_ASSIGN(const std::string type, rope_type(*local, key, name));
      if (type != "default") {
        return unsupported(name + ": rotary scaling '" + type + "' of layers with a window is not supported");
      }
    }
    if (const auto full = json_member(*object, "full_attention"); full && full->is_object()) {
      whole = *full;
    }
    ROTOR_TRY(read_number(whole, "rope_theta", name, model.rope_theta));
    ROTOR_TRY(check_whole_rotation(whole, name, model));
    ROTOR_ASSIGN(const std::string type, rope_type(whole, key, name));
    model.rope_scaling = RopeScaling();
    if (type != "default") {
      ROTOR_TRY(read_rope_scaling(whole, type, root, name, model));
    }
  }
  return {};
}

}  // namespace rotor
