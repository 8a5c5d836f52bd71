// SPDX-License-Identifier: Apache-2.0
#include "model/family.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace rotor {
namespace {

constexpr std::array<std::string_view, 3> kBitnetGguf = {"bitnet", "bitnet-25", "bitnet-b1.58"};
constexpr std::array<std::string_view, 1> kLlamaGguf = {"llama"};
constexpr std::array<std::string_view, 1> kQwen3Gguf = {"qwen3"};
constexpr std::array<std::string_view, 1> kMiniCpmGguf = {"minicpm"};
constexpr std::array<std::string_view, 1> kMapleGguf = {"maple"};

// Microsoft BitNet b1.58 2B-4T (BitNetForCausalLM).
constexpr Family bitnet() {
  Family f{"bitnet", "bitnet", "", "BitNetForCausalLM", kBitnetGguf};
  f.sub_norms = true;
  f.int8_activations = true;
  f.kv_heads = 5;
  f.rms_eps = 1e-5f;
  f.rope_theta = 500000.0;
  f.activation = Activation::kRelu2;
  f.tied_head = true;
  return f;
}

// 1bitLLM bitnet_b1_58-large, -xl and -3B: BitNet's layers with SiLU, under names of their own.
constexpr Family bitnet_1bitllm() {
  Family f{"bitnet", "llama", "BitnetForCausalLM", "", {}};
  f.sub_norms = true;
  f.int8_activations = true;
  f.bits_in_config = true;
  f.hf_norms[static_cast<size_t>(NormRole::kAttnSub)] = "self_attn.inner_attn_ln";
  f.hf_norms[static_cast<size_t>(NormRole::kFfnSub)] = "mlp.ffn_layernorm";
  return f;
}

// Llama3-8B-1.58, Falcon3-1.58bit, Falcon-E (LlamaForCausalLM).
constexpr Family llama() {
  Family f{"llama", "llama", "", "LlamaForCausalLM", kLlamaGguf};
  f.gguf_pairs_rows = true;
  return f;
}

// Mistral (MistralForCausalLM): Llama's layers; GGUF files call them that.
constexpr Family mistral() {
  Family f{"llama", "mistral", "", "", {}};
  f.gguf_pairs_rows = true;
  f.kv_heads = 8;
  f.window = 4096;
  return f;
}

// BitNet-embedding-0.6B, Ternary-Bonsai (Qwen3ForCausalLM).
constexpr Family qwen3() {
  Family f{"qwen3", "qwen3", "", "Qwen3ForCausalLM", kQwen3Gguf};
  f.qk_norm = true;
  f.kv_heads = 32;
  f.head_dim = 128;
  f.window_if_absent = false;
  return f;
}

// BitCPM4, MiniCPM (MiniCPMForCausalLM of their own code): Llama's layers and three multipliers.
constexpr Family minicpm() {
  Family f{"minicpm", "minicpm", "", "", kMiniCpmGguf};
  f.multipliers = true;
  f.gguf_pairs_rows = true;
  f.tied_head = true;
  return f;
}

// BitNet-embedding-270M (Gemma3ForCausalLM). Its GGUF files are not read: the converter that makes them leaves
// out the windows and the one that Gemma adds to the gains of its norms.
constexpr Family gemma3() {
  Family f{"gemma3", "gemma3_text", "", "", {}};
  f.gemma3 = true;
  f.norms_plus_one = true;
  f.post_norms = true;
  f.qk_norm = true;
  f.kv_heads = 4;
  f.head_dim = 256;
  f.rope_theta = 1e6;
  f.activation = Activation::kGeluTanh;
  f.tied_head = true;
  f.hf_norms[static_cast<size_t>(NormRole::kPostAttn)] = "post_attention_layernorm";
  f.hf_norms[static_cast<size_t>(NormRole::kFfn)] = "pre_feedforward_layernorm";
  return f;
}

// Maple-20B-A1B (MapleForCausalLM of its own code).
constexpr Family maple() {
  Family f{"maple", "maple", "", "MapleForCausalLM", kMapleGguf};
  f.experts = true;
  f.qk_norm = true;
  f.kv_heads = 4;
  f.head_dim = 128;
  f.hf_embed = "word_embeddings";
  return f;
}

// A row with an architecture stands before the one of its model_type alone.
constexpr std::array kFamilies = {bitnet(), bitnet_1bitllm(), llama(), mistral(), qwen3(),
                                 minicpm(), gemma3(), maple()};

// "'a', 'b' or 'c'"
std::string either(std::vector<std::string_view> names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : i + 1 == names.size() ? " or " : ", ";
    text += "'" + std::string(names[i]) + "'";
  }
  return text;
}

}  // namespace

std::span<const Family> families() { return kFamilies; }

const Family* find_hf_family(std::string_view model_type, std::string_view architecture) {
  const auto found = std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& f) {
    return f.model_type == model_type && (f.architecture.empty() || f.architecture == architecture);
  });
  return found == kFamilies.end() ? nullptr : &*found;
}

const Family* find_gguf_family(std::string_view architecture) {
  const auto found = std::find_if(kFamilies.begin(), kFamilies.end(), [&](const Family& f) {
    return std::find(f.gguf.begin(), f.gguf.end(), architecture) != f.gguf.end();
  });
  return found == kFamilies.end() ? nullptr : &*found;
}

bool is_family(std::string_view name) {
  return std::any_of(kFamilies.begin(), kFamilies.end(),
                     [&](const Family& f) { return f.name == name; });
}

const Family& family_of(const ModelConfig& config) {
  return *std::find_if(kFamilies.begin(), kFamilies.end(),
                       [&](const Family& f) { return f.name == config.family; });
}

bool is_exported(const Family& family) {
  return std::any_of(kFamilies.begin(), kFamilies.end(), [&](const Family& f) {
    return f.name == family.name && !f.hf_class.empty();
  });
}

std::string hf_family_names() {
  std::vector<std::string_view> names;
  for (const Family& f : kFamilies) {
    if (f.architecture.empty()) {
      names.push_back(f.model_type);
    }
  }
  return either(std::move(names));
}

std::string gguf_family_names() {
  std::vector<std::string_view> names;
  for (const Family& f : kFamilies) {
    names.insert(names.end(), f.gguf.begin(), f.gguf.end());
  }
  return either(std::move(names));
}

ModelConfig config_of(const Family& f) {
  ModelConfig config;
  config.family = f.name;
  config.attn_sub_norm = f.sub_norms;
  config.ffn_sub_norm = f.sub_norms;
  config.qk_norm = f.qk_norm;
  config.post_norms = f.post_norms;
  config.global_unturned = f.experts;
  return config;
}

}  // namespace rotor
