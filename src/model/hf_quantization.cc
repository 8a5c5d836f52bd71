// SPDX-License-Identifier: Apache-2.0
#include "model/hf_quantization.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "ternary/group_scales.h"

namespace rotor {
namespace {

// What MLX writes: {"group_size": 128, "bits": 2}, and for a layer that differs its name.
Result<HfQuantization> read_mlx_quantization(JsonValue quantization, const std::string& name) {
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
  HfQuantization out;
  out.mlx_group = static_cast<size_t>(*group);
  return out;
}

// The fields weight_bits and input_bits: masters of ternary weights, int8 activations.
Result<HfQuantization> read_bits(JsonValue root, const std::string& name) {
  ROTOR_ASSIGN(const std::optional<int64_t> weights, json_integer(root, "weight_bits", name));
  ROTOR_ASSIGN(const std::optional<int64_t> inputs, json_integer(root, "input_bits", name));
  if (weights != 1 || inputs != 8) {
    return unsupported(name + ": expected 'weight_bits' 1 and 'input_bits' 8, got " +
                       (weights ? std::to_string(*weights) : "nothing") + " and " +
                       (inputs ? std::to_string(*inputs) : "nothing"));
  }
  HfQuantization out;
  out.present = true;
  out.online = true;
  return out;
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

Result<HfQuantization> read_bitnet_quantization(JsonValue config, const std::string& name) {
  ROTOR_ASSIGN(const std::optional<std::string> method, json_string(config, "quant_method", name));
  if (!method || *method != "bitnet") {
    return unsupported(name + ": quantization_config.quant_method: expected 'bitnet', got '" +
                       method.value_or("nothing") + "'");
  }
  ROTOR_ASSIGN(const std::optional<std::string> linear, json_string(config, "linear_class", name));
  ROTOR_ASSIGN(const std::optional<std::string> mode,
               json_string(config, "quantization_mode", name));
  if (linear && *linear != "bitlinear" && *linear != "autobitlinear") {
    return unsupported(name + ": quantization_config.linear_class '" + *linear +
                       "' is not known; expected bitlinear or autobitlinear");
  }
  if (mode && *mode != "online" && *mode != "offline") {
    return unsupported(name + ": quantization_config.quantization_mode '" + *mode +
                       "' is not known; expected online or offline");
  }
  ROTOR_TRY(check_converted_modules(config, name));
  HfQuantization out;
  ROTOR_ASSIGN(const std::optional<bool> norms, json_bool(config, "use_rms_norm", name));
  if (norms.value_or(false)) {
    ROTOR_ASSIGN(const std::optional<double> eps, json_number(config, "rms_norm_eps", name));
    out.input_norms = true;
    out.input_norm_eps = static_cast<float>(eps.value_or(1e-6));
  }
  out.present = true;
  out.scale_multiplies = linear && *linear == "autobitlinear";
  out.online = mode && *mode == "online";
  return out;
}

}  // namespace

Result<HfQuantization> read_hf_quantization(JsonValue root, const std::string& name,
                                            bool bits_in_config) {
  if (const std::optional<JsonValue> mlx = json_member(root, "quantization")) {
    return read_mlx_quantization(*mlx, name);
  }
  const std::optional<JsonValue> config = json_member(root, "quantization_config");
  if (config) {
    return read_bitnet_quantization(*config, name);
  }
  return bits_in_config ? read_bits(root, name) : Result<HfQuantization>(HfQuantization());
}

}  // namespace rotor
