// SPDX-License-Identifier: Apache-2.0
// ModelConfig: the sizes and flags that make the one decoder compute a given model. Immutable after
// load. Families differ by these flags (model/family.h) and, only if the math is new, by a verb.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/rope_scaling.h"

namespace rotor {

// The nonlinearity g of the gated feed-forward block down(norm(g(gate) * up)).
enum class Activation : uint8_t { kRelu2, kSilu, kGeluTanh };

std::string_view activation_name(Activation activation);  // "relu2", "silu", "gelu_tanh"
std::optional<Activation> find_activation(std::string_view name);

// How an embedding model makes one vector of those of a text's tokens.
enum class Pooling : uint8_t { kUnstated, kMean, kFirst, kLast };

std::string_view pooling_name(Pooling pooling);  // "unstated", "mean", "first", "last"

struct ModelConfig {
  std::string family;        // "bitnet", "llama", ...: a row of model/family.h
  std::string name;          // as the file calls itself; may be empty
  size_t vocab = 0;          // rows of the embedding
  size_t context = 0;        // positions the model was made for
  size_t hidden = 0;
  size_t ffn = 0;            // width of the feed-forward block; of one expert where there are experts
  size_t layers = 0;
  size_t heads = 0;          // query heads
  size_t kv_heads = 0;       // key/value heads; divides heads
  size_t head_dim = 0;       // even; need not be hidden / heads
  float rms_eps = 1e-5f;
  double rope_theta = 500000.0;
  RopeScaling rope_scaling;
  Activation activation = Activation::kRelu2;
  bool attn_sub_norm = true;  // RMSNorm over heads * head_dim before the output projection
  bool ffn_sub_norm = true;   // RMSNorm over ffn before the down projection
  bool qk_norm = false;       // RMSNorm over each head of q and k before they are turned
  bool input_norms = false;   // each matrix of a layer has an RMSNorm of its own on its input
  bool post_norms = false;    // RMSNorm of what attention adds, and of what the feed-forward block adds
  bool float_activations = false;  // matrices multiply activations as they are, not rounded to int8
  float embed_scale = 1.0f;     // multiplies the rows of the embedding
  float residual_scale = 1.0f;  // multiplies what each half of a layer adds
  float head_divisor = 1.0f;    // divides the last normed activation, which the head multiplies
  bool tied_head = true;      // the head is the embedding
  Pooling pooling = Pooling::kUnstated;
  size_t attention_window = 0;  // positions a query sees, itself included; 0: all
  size_t global_every = 0;      // of so many layers the last one has no window; 0: all have it
  double local_rope_theta = 0;  // of layers with a window, unscaled; 0: they are turned as the others
  float attention_scale = 0;    // multiplies q . k; 0: head_dim^-0.5
  bool global_unturned = false; // layers without a window take q and k without rotary embedding
  size_t rotary_dims = 0;       // of a head are turned, the first ones; 0: all
  size_t experts = 0;           // feed-forward blocks of a layer, of which a token takes some; 0: a single one
  size_t experts_used = 0;      // how many a token takes
  float gate_limit = 0;         // gate is at most this and up within it on both sides; 0: neither is bounded

  size_t q_rows() const { return heads * head_dim; }
  size_t kv_rows() const { return kv_heads * head_dim; }
  // Whether a layer has the window.
  bool is_local(size_t layer) const {
    return attention_window != 0 && (global_every == 0 || (layer + 1) % global_every != 0);
  }
  bool is_turned(size_t layer) const { return !global_unturned || is_local(layer); }
  size_t turned_dims() const { return rotary_dims != 0 ? rotary_dims : head_dim; }
  // Matrices of a layer for gate, for up and for down, each below the one before.
  size_t stacked() const { return experts != 0 ? experts : 1; }
  size_t group() const { return heads / kv_heads; }  // query heads that share one key/value head

  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// kFormatError naming the field when sizes are zero, too large to compute with, or contradict each
// other. Limits: every size < 2^24 (the bound of the exact int32 sums), layers <= 1024.
Status validate(const ModelConfig& config);

// n, where every n-th layer sees all positions and the others, `local`, have a window: 0 where all have it, 1
// where none has. Nothing for another pattern.
std::optional<size_t> global_every_of(const std::vector<bool>& local);

// How many of stacked() matrices a pass of `rows` rows reads, at a mean, if each row chose its experts evenly
// and apart from the others; 1 where there are no experts.
double stacked_read(const ModelConfig& config, size_t rows);

// Parameters of the ternary matrices, and of the embedding (and head, when it is separate).
uint64_t ternary_parameters(const ModelConfig& config);
uint64_t parameters_of_token(const ModelConfig& config);  // ternary, of the experts those that a token takes
uint64_t embedding_parameters(const ModelConfig& config);

}  // namespace rotor
