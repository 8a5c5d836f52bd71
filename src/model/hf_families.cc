// SPDX-License-Identifier: Apache-2.0
#include "model/hf_families.h"

#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "model/hf_fields.h"

namespace rotor {
namespace {

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

}  // namespace

Status read_minicpm(JsonValue root, const std::string& name, ModelConfig& model) {
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
  model.local_rope_theta = 10000.0;
  ROTOR_TRY(read_number(root, "rope_local_base_freq", name, model.local_rope_theta));
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

}  // namespace rotor
