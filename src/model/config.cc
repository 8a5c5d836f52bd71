// SPDX-License-Identifier: Apache-2.0
// Checks of a model's sizes, made once before anything is allocated from them.
#include "model/config.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ternary/format.h"

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

constexpr size_t kMaxExperts = 4096;

// A layer's experts, and what stands beside them in no model that is known.
Status check_experts(const ModelConfig& c) {
  if (c.experts == 0) {
    return c.experts_used == 0 ? Status()
                               : format_error("config: " + std::to_string(c.experts_used) +
                                              " experts for a token of a model without experts");
  }
  ROTOR_TRY(check_size("number of experts", c.experts, kMaxExperts));
  ROTOR_TRY(check_size("number of experts for a token", c.experts_used, c.experts));
  ROTOR_TRY(check_size("number of experts * width of an expert", c.experts * c.ffn));
  ROTOR_TRY(check_size("number of experts * hidden_size", c.experts * c.hidden));
  for (const auto& [name, rows] : {std::pair("width", c.ffn), std::pair("hidden_size", c.hidden)}) {
    if (rows % kTileRows != 0) {  // an expert's matrix begins with a row block
      return unsupported(std::string("config: ") + name + " " + std::to_string(rows) +
                         " of a model with experts: only multiples of 16 are supported");
    }
  }
  if (c.ffn_sub_norm || c.input_norms || c.post_norms) {
    return unsupported("config: experts beside norms within or after the feed-forward block are not "
                       "supported");
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
  if (c.rotary_dims % 2 != 0 || c.rotary_dims > c.head_dim) {
    return format_error("config: dimensions of a head that are turned: expected an even number of at most " +
                        std::to_string(c.head_dim) + ", got " + std::to_string(c.rotary_dims));
  }
  if (c.gate_limit != 0.0f && !(c.gate_limit > 1e-6f && c.gate_limit < 1e6f)) {
    return format_error("config: the bound of gate and up must lie in (1e-6, 1e6), got " +
                        std::to_string(c.gate_limit));
  }
  ROTOR_TRY(check_experts(c));
  return validate(c.rope_scaling, c.turned_dims());
}

std::optional<size_t> global_every_of(const std::vector<bool>& local) {
  const size_t first =
      static_cast<size_t>(std::find(local.begin(), local.end(), false) - local.begin()) + 1;
  if (first > local.size()) {
    return 0;
  }
  for (size_t layer = 1; layer <= local.size(); ++layer) {
    if (local[layer - 1] != (layer % first != 0)) {
      return std::nullopt;
    }
  }
  return first;
}

double stacked_read(const ModelConfig& c, size_t rows) {
  if (c.experts == 0) {
    return 1.0;
  }
  const double all = static_cast<double>(c.experts);
  double missed = 1.0;  // the part of the experts that no row has chosen
  for (size_t row = 0; row < rows; ++row) {
    missed *= 1.0 - static_cast<double>(c.experts_used) / all;
  }
  return all * (1.0 - missed);
}

namespace {

uint64_t parameters_of(const ModelConfig& c, size_t blocks) {
  const uint64_t hidden = c.hidden;
  const uint64_t attention = hidden * (2 * c.q_rows() + 2 * c.kv_rows());
  return c.layers * (attention + 3 * hidden * c.ffn * blocks);
}

}  // namespace

uint64_t ternary_parameters(const ModelConfig& c) { return parameters_of(c, c.stacked()); }

uint64_t parameters_of_token(const ModelConfig& c) {
  return parameters_of(c, c.experts != 0 ? c.experts_used : 1);
}

uint64_t embedding_parameters(const ModelConfig& c) {
  return uint64_t{c.vocab} * c.hidden * (c.tied_head ? 1 : 2);
}

}  // namespace rotor
