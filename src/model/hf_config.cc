// SPDX-License-Identifier: Apache-2.0
// Reads config.json, generation_config.json and tokenizer_config.json.
#include "model/hf_config.h"

#include <optional>
#include <utility>

#include "base/json.h"
#include "model/hf_families.h"
#include "model/hf_fields.h"
#include "model/hf_quantization.h"
#include "model/hf_rope.h"

namespace rotor {
namespace {

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

Status read_activation(JsonValue root, const std::string& name, ModelConfig& model) {
  for (const char* key : {"hidden_act", "hidden_activation"}) {  // the latter holds for Gemma
    ROTOR_ASSIGN(const std::optional<std::string> value, json_string(root, key, name));
    if (!value) {
      continue;
    }
    const std::optional<Activation> activation =
        *value == "gelu_pytorch_tanh" ? Activation::kGeluTanh : find_activation(*value);
    if (!activation) {
      return unsupported(name + ": " + key + " '" + *value +
                         "' is not supported; expected relu2, silu or gelu_pytorch_tanh");
    }
    model.activation = *activation;
  }
  return {};
}

// Fields that would change what the decoder computes.
Status check_computed(JsonValue root, const std::string& name, const Family& family,
                      size_t context) {
  for (const char* key : {"num_experts", "num_local_experts", "n_routed_experts"}) {
    ROTOR_ASSIGN(const std::optional<int64_t> experts, json_integer(root, key, name));
    if (!family.experts && experts.value_or(0) != 0) {
      return unsupported(name + ": '" + key + "' is " + std::to_string(*experts) +
                         ": mixtures of experts are not supported in this family");
    }
  }
  for (const char* key : {"attention_bias", "mlp_bias"}) {
    ROTOR_ASSIGN(const std::optional<bool> bias, json_bool(root, key, name));
    if (bias.value_or(false)) {
      return unsupported(name + ": " + key + " is not supported");
    }
  }
  if (family.gemma3 || family.experts) {
    return {};
  }
  ROTOR_ASSIGN(const std::optional<int64_t> window, json_integer(root, "sliding_window", name));
  ROTOR_ASSIGN(const std::optional<bool> used, json_bool(root, "use_sliding_window", name));
  const int64_t positions =
      window.value_or(json_has(root, "sliding_window") ? 0 : static_cast<int64_t>(family.window));
  const bool counts = used.value_or(family.window_if_absent) && positions != 0;
  if (counts && positions < static_cast<int64_t>(context)) {
    return unsupported(name + ": 'sliding_window' is " + std::to_string(positions) +
                       (window ? "" : ", as it is left out") +
                       ": a window smaller than the context is not supported");
  }
  const std::optional<JsonValue> layer_types = json_member(root, "layer_types");
  JsonArray list;
  if (!layer_types || layer_types->get_array().get(list) != simdjson::SUCCESS) {
    return {};
  }
  for (JsonValue element : list) {
    std::string_view type;
    if (element.get_string().get(type) != simdjson::SUCCESS || type != "full_attention") {
      return unsupported(name + ": 'layer_types': expected full_attention alone, got '" +
                         std::string(type) + "'");
    }
  }
  return {};
}

Result<const Family*> read_family(JsonValue root, const std::string& name) {
  ROTOR_ASSIGN(const std::optional<std::string> type, json_string(root, "model_type", name));
  std::string_view architecture;
  JsonArray list;
  const std::optional<JsonValue> names = json_member(root, "architectures");
  if (names && names->get_array().get(list) == simdjson::SUCCESS && list.size() > 0 &&
      (*list.begin()).get_string().get(architecture) != simdjson::SUCCESS) {
    return format_error(name + ": 'architectures': expected a list of texts");
  }
  const Family* family = find_hf_family(type.value_or(""), architecture);
  if (family == nullptr) {
    return unsupported(name + ": model_type '" + type.value_or("") +
                       "' is not supported; expected " + hf_family_names());
  }
  return family;
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
  ROTOR_ASSIGN(config.family, read_family(root, name));
  const Family& family = *config.family;
  model = config_of(family);
  ROTOR_ASSIGN(model.vocab, required_size(root, "vocab_size", name));
  ROTOR_ASSIGN(model.context, required_size(root, "max_position_embeddings", name));
  ROTOR_ASSIGN(model.hidden, required_size(root, "hidden_size", name));
  if (!family.experts) {
    ROTOR_ASSIGN(model.ffn, required_size(root, "intermediate_size", name));
  }
  ROTOR_ASSIGN(model.layers, required_size(root, "num_hidden_layers", name));
  ROTOR_ASSIGN(model.heads, required_size(root, "num_attention_heads", name));
  ROTOR_ASSIGN(const std::optional<size_t> kv_heads,
               optional_size(root, "num_key_value_heads", name));
  model.kv_heads = kv_heads.value_or(family.kv_heads != 0 ? family.kv_heads : model.heads);
  ROTOR_ASSIGN(const std::optional<size_t> head_dim, optional_size(root, "head_dim", name));
  const size_t even_split = model.heads == 0 ? 0 : model.hidden / model.heads;
  model.head_dim = head_dim.value_or(family.head_dim != 0 ? family.head_dim : even_split);
  ROTOR_ASSIGN(const std::optional<double> eps, json_number(root, "rms_norm_eps", name));
  model.rms_eps = eps ? static_cast<float>(*eps) : family.rms_eps;
  model.rope_theta = family.rope_theta;
  if (family.gemma3) {
    ROTOR_TRY(read_gemma3(root, name, model));
  }
  if (family.experts) {
    ROTOR_TRY(read_maple(root, name, model));
  }
  ROTOR_TRY(read_hf_rope(root, name, model));
  if (family.multipliers) {
    ROTOR_TRY(read_minicpm(root, name, model));
  }
  model.activation = family.activation;
  ROTOR_TRY(read_activation(root, name, model));
  if (family.experts && (model.activation != Activation::kSilu ||
                         model.rope_scaling.type != RopeScalingType::kNone)) {
    return unsupported(name + ": experts with another activation than silu, or with rotary scaling, are not "
                       "supported");
  }
  ROTOR_ASSIGN(config.quantization, read_hf_quantization(root, name, family.bits_in_config));
  if (config.quantization.input_norms && config.quantization.input_norm_eps != model.rms_eps) {
    return unsupported(name + ": quantization_config.rms_norm_eps " +
                       std::to_string(config.quantization.input_norm_eps) +
                       " beside the model's " + std::to_string(model.rms_eps) +
                       " is not supported");
  }
  model.input_norms = config.quantization.input_norms;
  ROTOR_ASSIGN(const std::optional<bool> tied, json_bool(root, "tie_word_embeddings", name));
  model.tied_head = tied.value_or(family.tied_head);
  ROTOR_TRY(check_computed(root, name, family, model.context));
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

Result<Pooling> parse_pooling_config(std::string_view json, const std::string& name) {
  constexpr std::pair<const char*, Pooling> kModes[] = {
      {"pooling_mode_mean_tokens", Pooling::kMean},
      {"pooling_mode_cls_token", Pooling::kFirst},
      {"pooling_mode_lasttoken", Pooling::kLast}};
  ROTOR_ASSIGN(const JsonDocument document, JsonDocument::parse(json, name));
  Pooling found = Pooling::kUnstated;
  for (const auto& [key, pooling] : kModes) {
    ROTOR_ASSIGN(const std::optional<bool> chosen, json_bool(document.root(), key, name));
    if (chosen.value_or(false) && found != Pooling::kUnstated) {
      return unsupported(name + ": several ways of pooling at once are not supported");
    }
    found = chosen.value_or(false) ? pooling : found;
  }
  if (found == Pooling::kUnstated) {
    return unsupported(name + ": expected pooling of the mean, the first or the last token");
  }
  return found;
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
