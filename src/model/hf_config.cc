// SPDX-License-Identifier: Apache-2.0
// Reads config.json, generation_config.json and tokenizer_config.json.
#include "model/hf_config.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/json.h"
#include "ternary/group_scales.h"

namespace rotor {
namespace {

// A non-negative integer field, or nothing.
Result<std::optional<size_t>> optional_size(JsonValue root, std::string_view key,
                                            const std::string& name) {
  ROTOR_ASSIGN(const std::optional<int64_t> value, json_integer(root, key, name));
  if (!value) {
    return std::optional<size_t>();
  }
  if (*value < 0) {
    return format_error(name + ": '" + std::string(key) + "': expected a size, got " +
                        std::to_string(*value));
  }
  return std::optional<size_t>(static_cast<size_t>(*value));
}

Result<size_t> required_size(JsonValue root, std::string_view key, const std::string& name) {
  ROTOR_ASSIGN(const std::optional<size_t> value, optional_size(root, key, name));
  if (!value) {
    return format_error(name + ": required field '" + std::string(key) + "' is missing");
  }
  return *value;
}

// eos_token_id: absent, one id, or a list of ids.
Status read_token_ids(JsonValue root, std::string_view key, const std::string& name,
                      std::vector<TokenId>& out) {
  const std::optional<JsonValue> value = json_member(root, key);
  if (!value) {
    return {};
  }
  const auto push = [&](JsonValue element) -> Status {
    int64_t id = 0;
    if (element.get_int64().get(id) != simdjson::SUCCESS || id < 0 || id > INT32_MAX) {
      return format_error(name + ": '" + std::string(key) + "': expected token ids");
    }
    out.push_back(static_cast<TokenId>(id));
    return {};
  };
  JsonArray list;
  if (value->get_array().get(list) != simdjson::SUCCESS) {
    return push(*value);
  }
  for (JsonValue element : list) {
    ROTOR_TRY(push(element));
  }
  return {};
}

Status read_rope(JsonValue root, const std::string& name, ModelConfig& model) {
  const std::optional<JsonValue> parameters = json_member(root, "rope_parameters");
  ROTOR_ASSIGN(std::optional<double> theta, json_number(root, "rope_theta", name));
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const std::optional<JsonValue> scaling = json_member(root, key);
    if (!scaling) {
      continue;
    }
    if (!scaling->is_object()) {
      return format_error(name + ": '" + key + "': expected an object");
    }
    bool named = false;
    for (const char* kind : {"rope_type", "type"}) {
      ROTOR_ASSIGN(const std::optional<std::string> type, json_string(*scaling, kind, name));
      if (type && *type != "default") {
        return unsupported(name + ": rotary scaling '" + *type + "' is not supported");
      }
      named = named || type;
    }
    if (!named && json_member(*scaling, "factor")) {
      return format_error(name + ": '" + key + "' has a factor but names no rope_type");
    }
  }
  if (!theta && parameters) {
    ROTOR_ASSIGN(theta, json_number(*parameters, "rope_theta", name));
  }
  if (theta) {
    model.rope_theta = *theta;
  }
  return {};
}

Status read_activation(JsonValue root, const std::string& name, ModelConfig& model) {
  ROTOR_ASSIGN(const std::optional<std::string> value, json_string(root, "hidden_act", name));
  const std::string act = value ? *value : "relu2";
  if (act != "relu2" && act != "silu") {
    return unsupported(name + ": hidden_act '" + act + "' is not supported; expected relu2");
  }
  model.activation = act == "relu2" ? Activation::kRelu2 : Activation::kSilu;
  return {};
}

// Fields that would change what the decoder computes.
Status check_computed(JsonValue root, const std::string& name, size_t context) {
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    ROTOR_ASSIGN(const std::optional<int64_t> experts, json_integer(root, key, name));
    if (experts.value_or(0) != 0) {
      return unsupported(name + ": '" + key + "' is " + std::to_string(*experts) +
                         ": mixtures of experts are not supported");
    }
  }
  ROTOR_ASSIGN(const std::optional<int64_t> window, json_integer(root, "sliding_window", name));
  ROTOR_ASSIGN(const std::optional<bool> used, json_bool(root, "use_sliding_window", name));
  if (used.value_or(true) && window.value_or(0) != 0 && *window < static_cast<int64_t>(context)) {
    return unsupported(name + ": 'sliding_window' is " + std::to_string(*window) +
                       ": a window smaller than the context is not supported");
  }
  return {};
}

// What MLX writes: {"group_size": 128, "bits": 2}, and for a layer that differs its name.
Status read_mlx_quantization(JsonValue quantization, const std::string& name, HfQuantization& out) {
  ROTOR_ASSIGN(const std::optional<int64_t> bits, json_integer(quantization, "bits", name));
  ROTOR_ASSIGN(const std::optional<int64_t> group, json_integer(quantization, "group_size", name));
  ROTOR_ASSIGN(const std::optional<std::string> mode, json_string(quantization, "mode", name));
  const auto* const known = std::find(std::begin(kGroupCols), std::end(kGroupCols), group.value_or(0));
  if (bits != 2 || known == std::end(kGroupCols) || mode.value_or("affine") != "affine") {
    return unsupported(name + ": quantization: expected 2 bits in groups of 64, 128 or 256, which may be "
                       "ternary, got " + std::to_string(bits.value_or(0)) + " bits in groups of " +
                       std::to_string(group.value_or(0)) + ", mode '" + mode.value_or("affine") + "'");
  }
  JsonObject members;
  if (quantization.get_object().get(members) == simdjson::SUCCESS) {
    for (const auto& [key, value] : members) {
      if (value.is_object() || value.is_bool()) {
        return unsupported(name + ": quantization: '" + std::string(key) + "' has a setting of its own, "
                           "which is not supported");
      }
    }
  }
  out.mlx_group = static_cast<size_t>(*group);
  return {};
}

Status read_quantization(JsonValue root, const std::string& name, HfQuantization& out) {
  if (const std::optional<JsonValue> mlx = json_member(root, "quantization")) {
    return read_mlx_quantization(*mlx, name, out);
  }
  const std::optional<JsonValue> config = json_member(root, "quantization_config");
  if (!config) {
    return {};
  }
  ROTOR_ASSIGN(const std::optional<std::string> method, json_string(*config, "quant_method", name));
  if (!method || *method != "bitnet") {
    return unsupported(name + ": quantization_config.quant_method: expected 'bitnet', got '" +
                       method.value_or("nothing") + "'");
  }
  ROTOR_ASSIGN(const std::optional<std::string> linear, json_string(*config, "linear_class", name));
  ROTOR_ASSIGN(const std::optional<std::string> mode,
               json_string(*config, "quantization_mode", name));
  if (linear && *linear != "bitlinear" && *linear != "autobitlinear") {
    return unsupported(name + ": quantization_config.linear_class '" + *linear +
                       "' is not known; expected bitlinear or autobitlinear");
  }
  if (mode && *mode != "online" && *mode != "offline") {
    return unsupported(name + ": quantization_config.quantization_mode '" + *mode +
                       "' is not known; expected online or offline");
  }
  out.present = true;
  out.scale_multiplies = linear && *linear == "autobitlinear";
  out.online = mode && *mode == "online";
  return {};
}

}  // namespace

Result<HfConfig> parse_hf_config(std::string_view json, const std::string& name) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  const JsonValue root = document.root();
  if (!root.is_object()) {
    return format_error(name + ": expected a JSON object");
  }
  HfConfig config;
  ModelConfig& model = config.model;
  ROTOR_ASSIGN(const std::optional<std::string> type, json_string(root, "model_type", name));
  if (!type || *type != "bitnet") {
    return unsupported(name + ": model_type '" + type.value_or("") +
                       "' is not supported; this version runs 'bitnet' (BitNetForCausalLM)");
  }
  model.family = "bitnet";
  ROTOR_ASSIGN(model.vocab, required_size(root, "vocab_size", name));
  ROTOR_ASSIGN(model.context, required_size(root, "max_position_embeddings", name));
  ROTOR_ASSIGN(model.hidden, required_size(root, "hidden_size", name));
  ROTOR_ASSIGN(model.ffn, required_size(root, "intermediate_size", name));
  ROTOR_ASSIGN(model.layers, required_size(root, "num_hidden_layers", name));
  ROTOR_ASSIGN(model.heads, required_size(root, "num_attention_heads", name));
  ROTOR_ASSIGN(const std::optional<size_t> kv_heads,
               optional_size(root, "num_key_value_heads", name));
  // Absent fields mean what transformers' BitNetConfig has by default.
  model.kv_heads = kv_heads.value_or(5);
  ROTOR_ASSIGN(const std::optional<size_t> head_dim, optional_size(root, "head_dim", name));
  const size_t even_split = model.heads == 0 ? 0 : model.hidden / model.heads;
  model.head_dim = head_dim.value_or(even_split);
  ROTOR_ASSIGN(const std::optional<double> eps, json_number(root, "rms_norm_eps", name));
  model.rms_eps = eps ? static_cast<float>(*eps) : 1e-5f;
  ROTOR_TRY(read_rope(root, name, model));
  ROTOR_TRY(read_activation(root, name, model));
  ROTOR_TRY(read_quantization(root, name, config.quantization));
  ROTOR_ASSIGN(const std::optional<bool> tied, json_bool(root, "tie_word_embeddings", name));
  model.tied_head = tied.value_or(true);
  ROTOR_ASSIGN(const std::optional<bool> bias, json_bool(root, "attention_bias", name));
  if (bias.value_or(false)) {
    return unsupported(name + ": attention_bias is not supported");
  }
  ROTOR_TRY(check_computed(root, name, model.context));
  ROTOR_TRY(read_token_ids(root, "eos_token_id", name, config.eos));
  ROTOR_TRY(validate(model).with_context(name));
  return config;
}

Result<GenerationDefaults> parse_generation_config(std::string_view json, const std::string& name,
                                                   std::vector<TokenId>& eos) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  const JsonValue root = document.root();
  ROTOR_ASSIGN(const GenerationDefaults defaults, read_generation_defaults(root, name));
  ROTOR_TRY(read_token_ids(root, "eos_token_id", name, eos));
  return defaults;
}

Result<std::string> parse_chat_template(std::string_view json, const std::string& name) {
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  const std::optional<JsonValue> value = json_member(document.root(), "chat_template");
  if (!value) {
    return std::string();
  }
  std::string_view text;
  if (value->get_string().get(text) == simdjson::SUCCESS) {
    return std::string(text);
  }
  JsonArray list;
  if (value->get_array().get(list) != simdjson::SUCCESS) {
    return format_error(name + ": 'chat_template': expected a string or a list of templates");
  }
  for (JsonValue entry : list) {
    ROTOR_ASSIGN(const std::optional<std::string> entry_name, json_string(entry, "name", name));
    if (entry_name && *entry_name == "default") {
      ROTOR_ASSIGN(std::optional<std::string> body, json_string(entry, "template", name));
      return body.value_or(std::string());
    }
  }
  return std::string();
}

}  // namespace rotor
