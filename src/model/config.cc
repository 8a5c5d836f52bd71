// SPDX-License-Identifier: Apache-2.0
// Checks of a model's sizes, made once before anything is allocated from them.
#include "model/config.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rotor {
namespace {

constexpr size_t kMaxSize = (size_t{1} << 24) - 1;  // |sum of trit * int8| < 2^31 up to here
constexpr size_t kMaxLayers = 1024;

Status check_size(const char* field, size_t value, size_t max = kMaxSize) {
  if (value == 0 || value > max) {
    return format_error(std::string("config: ") + field + ": expected 1.." + std::to_string(max) +
                        ", got " + std::to_string(value));
  }
  return {};
}

constexpr std::array<std::string_view, 3> kActivations = {"relu2", "silu", "gelu_tanh"};
constexpr std::array<std::string_view, 4> kPoolings = {"unstated", "mean", "first", "last"};

}  // namespace

std::string_view activation_name(Activation activation) {
  return kActivations[static_cast<size_t>(activation)];
}

std::string_view pooling_name(Pooling pooling) { return kPoolings[static_cast<size_t>(pooling)]; }

std::optional<Activation> find_activation(std::string_view name) {
  const auto* found = std::find(kActivations.begin(), kActivations.end(), name);
  if (found == kActivations.end()) {
    return std::nullopt;
  }
  return static_cast<Activation>(found - kActivations.begin());
}

Status validate(const ModelConfig& c) {
  ROTOR_TRY(check_size("vocab_size", c.vocab));
  ROTOR_TRY(check_size("context length", c.context));
  ROTOR_TRY(check_size("hidden_size", c.hidden));
  ROTOR_TRY(check_size("intermediate_size", c.ffn));
  ROTOR_TRY(check_size("num_hidden_layers", c.layers, kMaxLayers));
  ROTOR_TRY(check_size("num_attention_heads", c.heads, 4096));
  ROTOR_TRY(check_size("num_key_value_heads", c.kv_heads, 4096));
  ROTOR_TRY(check_size("head_dim", c.head_dim, 4096));
  if (c.heads % c.kv_heads != 0) {
    return format_error("config: num_attention_heads " + std::to_string(c.heads) +
                        " is not a multiple of num_key_value_heads " + std::to_string(c.kv_heads));
  }
  if (c.head_dim % 2 != 0) {
    return format_error("config: head_dim must be even for rotary embedding, got " +
                        std::to_string(c.head_dim));
  }
  ROTOR_TRY(check_size("num_attention_heads * head_dim", c.q_rows()));
  if (!(c.rms_eps > 0.0f && c.rms_eps < 1.0f)) {
    return format_error("config: rms_norm_eps must lie in (0, 1), got " + std::to_string(c.rms_eps));
  }
  if (!(c.rope_theta > 1.0 && c.rope_theta < 1e12)) {
    return format_error("config: rope_theta must lie in (1, 1e12), got " +
                        std::to_string(c.rope_theta));
  }
  if (c.local_rope_theta != 0.0 && !(c.local_rope_theta > 1.0 && c.local_rope_theta < 1e12)) {
    return format_error("config: the rotary base of layers with a window must lie in (1, 1e12), got " +
                        std::to_string(c.local_rope_theta));
  }
  if (c.attention_scale != 0.0f && !(c.attention_scale > 1e-6f && c.attention_scale < 1e6f)) {
    return format_error("config: the multiplier of attention must lie in (1e-6, 1e6), got " +
                        std::to_string(c.attention_scale));
  }
  for (const auto& [name, value] : {std::pair("embedding", c.embed_scale),
                                    std::pair("residual", c.residual_scale),
                                    std::pair("head", c.head_divisor)}) {
    if (!(value > 1e-6f && value < 1e6f)) {
      return format_error(std::string("config: the multiplier of the ") + name +
                          " must lie in (1e-6, 1e6), got " + std::to_string(value));
    }
  }
  return validate(c.rope_scaling, c.head_dim);
}

uint64_t ternary_parameters(const ModelConfig& c) {
  const uint64_t hidden = c.hidden;
  const uint64_t attention = hidden * (2 * c.q_rows() + 2 * c.kv_rows());
  return c.layers * (attention + 3 * hidden * c.ffn);
}

uint64_t embedding_parameters(const ModelConfig& c) {
  return uint64_t{c.vocab} * c.hidden * (c.tied_head ? 1 : 2);
}

}  // namespace rotor
