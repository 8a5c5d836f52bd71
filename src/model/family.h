// SPDX-License-Identifier: Apache-2.0
// The families of models, one row each: by what names their files call them and their tensors, what
// their layers have, and what an absent field of config.json means. A family whose math the verbs of
// the decoder know already is a row here and a test (docs/ARCHITECTURE.md, "One more family").
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"
#include "model/layer_norms.h"

namespace rotor {

using NormNames = std::array<std::string_view, kNormRoles>;  // indexed by NormRole

struct Family {
  std::string_view name;          // ModelConfig::family
  std::string_view model_type;    // in config.json
  std::string_view architecture;  // in config.json, where model_type does not tell; else empty
  std::string_view hf_class;      // of transformers, which loads what is written; empty: not written
  std::span<const std::string_view> gguf;  // general.architecture; the first is llama.cpp's

  // What a layer has.
  bool sub_norms = false;         // before the output and down projections
  bool qk_norm = false;
  // Activations are rounded to int8 whatever the files say; of other families a file that holds its
  // matrices as floats, and says nothing of rounding, is computed without.
  bool int8_activations = false;

  // What an absent field of config.json means: the defaults of transformers' config class.
  size_t kv_heads = 0;            // 0: as many as heads
  size_t head_dim = 0;            // 0: hidden_size / num_attention_heads
  float rms_eps = 1e-6f;
  double rope_theta = 10000.0;
  size_t window = 0;              // sliding_window; 0: none
  Activation activation = Activation::kSilu;
  bool tied_head = false;

  bool gemma3 = false;            // layers with a window among others, the embedding times sqrt(hidden)
  bool norms_plus_one = false;    // gains of norms are kept less one, but not those of single matrices
  bool post_norms = false;        // of what attention and feed-forward add
  bool experts = false;           // feed-forward blocks that a router chooses among, gate and up bounded;
                                  // most layers have a window, the others no rotary embedding
  bool multipliers = false;       // config.json has scale_emb, scale_depth and dim_model_base
  bool window_if_absent = true;   // sliding_window counts where use_sliding_window is absent
  bool bits_in_config = false;    // weight_bits and input_bits stand for a quantization_config
  std::string_view hf_embed = "embed_tokens";
  NormNames hf_norms = {"input_layernorm",          "self_attn.q_norm",
                        "self_attn.k_norm",         "self_attn.attn_sub_norm",
                        "post_attention_norm",      "post_attention_layernorm",
                        "mlp.ffn_sub_norm",         "post_feedforward_layernorm"};
  // GGUF files have the rows of q and k in the order of interleaved pairs (model/paired_rows.h).
  bool gguf_pairs_rows = false;
};

std::span<const Family> families();

// The family of a config.json, or null. `architecture` is the first of its architectures.
const Family* find_hf_family(std::string_view model_type, std::string_view architecture);
// The family of a GGUF file's general.architecture, or null.
const Family* find_gguf_family(std::string_view architecture);
// Whether `name` is the ModelConfig::family of a row.
bool is_family(std::string_view name);
// The first row of a model's family: the form in which it is written.
// REQUIRES: is_family(config.family).
const Family& family_of(const ModelConfig& config);

// Whether other programs read models of the family, so that they are written for them.
bool is_exported(const Family& family);

// "'bitnet', 'llama' or ...": every model_type, or every GGUF architecture, for messages.
std::string hf_family_names();
std::string gguf_family_names();

// A config with what the family itself says: its name, and the flags of its layers.
ModelConfig config_of(const Family& family);

}  // namespace rotor
