// SPDX-License-Identifier: Apache-2.0
// Reads config.json, generation_config.json and tokenizer_config.json.
#include "model/hf_config.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

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

// `out` as it is where the field is absent.
Status read_number(JsonValue object, std::string_view key, const std::string& name, double& out) {
  ROTOR_ASSIGN(const std::optional<double> value, json_number(object, key, name));
  out = value.value_or(out);
  return {};
}

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
  return share == 1.0 || model.experts != 0
             ? Status()
                      : unsupported(name + ": 'partial_rotary_factor' is " + std::to_string(share) +
                                    ": rotary embedding of a part of a head is not supported");
}

// rope_scaling is the older name of rope_parameters and goes before it, as in transformers.
Status read_rope(JsonValue root, const std::string& name, ModelConfig& model) {
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

// MiniCPM's: the embedding times scale_emb, what a half of a layer adds times scale_depth / sqrt(layers),
// the input of the head divided by hidden / dim_model_base.
Status read_multipliers(JsonValue root, const std::string& name, ModelConfig& model) {
  double embed = 1.0;
  double depth = 1.0;
  double base = 1.0;
  ROTOR_TRY(read_number(root, "scale_emb", name, embed));
  ROTOR_TRY(read_number(root, "scale_depth", name, depth));
  ROTOR_TRY(read_number(root, "dim_model_base", name, base));
  model.embed_scale = static_cast<float>(embed);
  model.residual_scale = static_cast<float>(depth / std::sqrt(static_cast<double>(model.layers)));
  model.head_divisor = static_cast<float>(static_cast<double>(model.hidden) / base);
  const std::optional<JsonValue> sparse = json_member(root, "sparse_config");
  if (sparse && sparse->is_object()) {
    return unsupported(name + ": 'sparse_config': sparse attention is not supported");
  }
  return {};
}

// Every n-th layer of a list of kinds sees all positions: n, 0 for none. kUnsupported for other patterns.
Result<size_t> read_layer_types(JsonValue root, const std::string& name) {
  const std::optional<JsonValue> layer_types = json_member(root, "layer_types");
  JsonArray list;
  if (!layer_types || layer_types->get_array().get(list) != simdjson::SUCCESS) {
    ROTOR_ASSIGN(const std::optional<size_t> every, optional_size(root, "sliding_window_pattern", name));
    return every.value_or(6);
  }
  std::vector<bool> local;
  for (JsonValue element : list) {
    std::string_view type;
    if (element.get_string().get(type) != simdjson::SUCCESS ||
        (type != "full_attention" && type != "sliding_attention")) {
      return unsupported(name + ": 'layer_types': expected full_attention and sliding_attention, got '" +
                         std::string(type) + "'");
    }
    local.push_back(type == "sliding_attention");
  }
  const std::optional<size_t> every = global_every_of(local);
  if (!every) {
    return unsupported(name + ": 'layer_types': layers that see all positions in other places than "
                       "every n-th are not supported");
  }
  return *every;
}

// Gemma 3: windows, two rotary bases, the embedding times sqrt(hidden), a scale of attention of its own.
Status read_gemma3(JsonValue root, const std::string& name, ModelConfig& model) {
  for (const char* key : {"final_logit_softcapping", "attn_logit_softcapping"}) {
    ROTOR_ASSIGN(const std::optional<double> cap, json_number(root, key, name));
    if (cap) {
      return unsupported(name + ": '" + key + "' is not supported");
    }
  }
  ROTOR_ASSIGN(const std::optional<bool> both, json_bool(root, "use_bidirectional_attention", name));
  if (both.value_or(false)) {
    return unsupported(name + ": 'use_bidirectional_attention' is not supported");
  }
  double scalar = 256.0;
  ROTOR_TRY(read_number(root, "query_pre_attn_scalar", name, scalar));
  model.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  model.embed_scale = static_cast<float>(std::sqrt(static_cast<double>(model.hidden)));
  ROTOR_ASSIGN(const std::optional<size_t> window, optional_size(root, "sliding_window", name));
  model.attention_window = window.value_or(4096);
  ROTOR_ASSIGN(model.global_every, read_layer_types(root, name));
  if (model.global_every == 1) {  // no layer has the window
    model.attention_window = model.global_every = 0;
  }
  return {};
}

// Fields that say of the experts what MapleForCausalLM does not compute.
Status check_maple(JsonValue root, const std::string& name) {
  constexpr std::pair<const char*, bool> kFlags[] = {
      {"norm_topk_prob", true}, {"nope_on_global_attention", true}, {"use_qk_norm", true},
      {"use_bias", false},      {"use_qkv_bias", false},            {"moe_router_enable_expert_bias", false}};
  for (const auto& [key, expected] : kFlags) {
    ROTOR_ASSIGN(const std::optional<bool> flag, json_bool(root, key, name));
    if (flag.value_or(expected) != expected) {
      return unsupported(name + ": '" + key + "' is " + (*flag ? "true" : "false") + ", which is not supported");
    }
  }
  for (const char* key : {"num_shared_experts", "first_k_dense_replace"}) {
    ROTOR_ASSIGN(const std::optional<int64_t> count, json_integer(root, key, name));
    if (count.value_or(0) != 0) {
      return unsupported(name + ": '" + key + "' is " + std::to_string(*count) + ": only 0 is supported");
    }
  }
  ROTOR_ASSIGN(const std::optional<std::string> score, json_string(root, "score_function", name));
  ROTOR_ASSIGN(const std::optional<int64_t> groups, json_integer(root, "n_group", name));
  if (score.value_or("softmax") != "softmax" || groups.value_or(1) > 1) {
    return unsupported(name + ": a 'score_function' other than softmax, or groups of experts, are not "
                       "supported");
  }
  return {};
}

// Maple: experts, windows in most layers, a rotary embedding of a part of each head in those. Its own code has
// gate and up bounded by 7, and a query see the `sliding_window` positions before its own.
Status read_maple(JsonValue root, const std::string& name, ModelConfig& model) {
  constexpr float kLimit = 7.0f;
  ROTOR_TRY(check_maple(root, name));
  ROTOR_ASSIGN(model.experts, required_size(root, "num_experts", name));
  ROTOR_ASSIGN(model.experts_used, required_size(root, "num_experts_per_tok", name));
  ROTOR_ASSIGN(model.ffn, required_size(root, "moe_intermediate_size", name));
  if (model.experts == 0) {
    return format_error(name + ": 'num_experts': expected at least 1, got 0");
  }
  model.gate_limit = kLimit;
  double share = 1.0;
  ROTOR_TRY(read_number(root, "partial_rotary_factor", name, share));
  const double dims = static_cast<double>(model.head_dim) * share;
  if (!(share > 0.0 && share <= 1.0) || dims != std::floor(dims)) {
    return format_error(name + ": 'partial_rotary_factor': expected a part of " +
                        std::to_string(model.head_dim) + " dimensions, got " + std::to_string(share));
  }
  model.rotary_dims = share == 1.0 ? 0 : static_cast<size_t>(dims);
  ROTOR_ASSIGN(const size_t window, required_size(root, "sliding_window", name));
  if (!json_member(root, "layer_types")) {
    return format_error(name + ": required field 'layer_types' is missing");
  }
  ROTOR_ASSIGN(model.global_every, read_layer_types(root, name));
  model.attention_window = window + 1;
  if (model.global_every == 1) {  // no layer has the window
    model.attention_window = model.global_every = 0;
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
  const bool counts = used.value_or(family.window_if_absent) && window.value_or(0) != 0;
  if (counts && *window < static_cast<int64_t>(context)) {
    return unsupported(name + ": 'sliding_window' is " + std::to_string(*window) +
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

// The fields weight_bits and input_bits: masters of ternary weights, int8 activations.
Status read_bits(JsonValue root, const std::string& name, HfQuantization& out) {
  ROTOR_ASSIGN(const std::optional<int64_t> weights, json_integer(root, "weight_bits", name));
  ROTOR_ASSIGN(const std::optional<int64_t> inputs, json_integer(root, "input_bits", name));
  if (weights != 1 || inputs != 8) {
    return unsupported(name + ": expected 'weight_bits' 1 and 'input_bits' 8, got " +
                       (weights ? std::to_string(*weights) : "nothing") + " and " +
                       (inputs ? std::to_string(*inputs) : "nothing"));
  }
  out.present = true;
  out.online = true;
  return {};
}

// A list other than transformers' own, the head, names layers that stay floats.
Status check_converted_modules(JsonValue config, const std::string& name) {
  const std::optional<JsonValue> kept = json_member(config, "modules_to_not_convert");
  JsonArray list;
  if (!kept) {
    return {};
  }
  if (kept->get_array().get(list) != simdjson::SUCCESS) {
    return format_error(name + ": 'modules_to_not_convert': expected a list of texts");
  }
  for (JsonValue element : list) {
    std::string_view module;
    if (element.get_string().get(module) != simdjson::SUCCESS) {
      return format_error(name + ": 'modules_to_not_convert': expected a list of texts");
    }
    if (module != "lm_head" && module != "model.embed_tokens") {
      return unsupported(name + ": 'modules_to_not_convert' names '" + std::string(module) +
                         "': layers that are not ternary are not supported");
    }
  }
  return {};
}

Status read_quantization(JsonValue root, const std::string& name, bool bits_in_config,
                         HfQuantization& out) {
  if (const std::optional<JsonValue> mlx = json_member(root, "quantization")) {
    return read_mlx_quantization(*mlx, name, out);
  }
  const std::optional<JsonValue> config = json_member(root, "quantization_config");
  if (!config) {
    return bits_in_config ? read_bits(root, name, out) : Status();
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
  ROTOR_TRY(check_converted_modules(*config, name));
  ROTOR_ASSIGN(const std::optional<bool> norms, json_bool(*config, "use_rms_norm", name));
  if (norms.value_or(false)) {
    ROTOR_ASSIGN(const std::optional<double> eps, json_number(*config, "rms_norm_eps", name));
    out.input_norms = true;
    out.input_norm_eps = static_cast<float>(eps.value_or(1e-6));
  }
  out.present = true;
  out.scale_multiplies = linear && *linear == "autobitlinear";
  out.online = mode && *mode == "online";
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
    model.local_rope_theta = 10000.0;
    ROTOR_TRY(read_number(root, "rope_local_base_freq", name, model.local_rope_theta));
    ROTOR_TRY(read_gemma3(root, name, model));
  }
  if (family.experts) {
    ROTOR_TRY(read_maple(root, name, model));
  }
  ROTOR_TRY(read_rope(root, name, model));
  if (family.multipliers) {
    ROTOR_TRY(read_multipliers(root, name, model));
  }
  model.activation = family.activation;
  ROTOR_TRY(read_activation(root, name, model));
  if (family.experts && (model.activation != Activation::kSilu ||
                         model.rope_scaling.type != RopeScalingType::kNone)) {
    return unsupported(name + ": experts with another activation than silu, or with rotary scaling, are not "
                       "supported");
  }
  ROTOR_TRY(read_quantization(root, name, family.bits_in_config, config.quantization));
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
