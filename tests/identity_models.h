// SPDX-License-Identifier: Apache-2.0
// Models for the tests that nothing but the weights decides what is computed, with their hashes.
#pragma once

#include <cstdlib>
#include <ostream>
#include <random>
#include <string_view>
#include <vector>

#include "base/test_instrumented.h"
#include "model/test_model.h"

namespace rotor {

using Tokens = std::vector<TokenId>;

inline constexpr size_t kTokens = 301;  // crosses the page border at 256

inline Tokens random_tokens(size_t count, size_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  Tokens tokens(count);
  for (TokenId& token : tokens) {
    token = static_cast<TokenId>(random() % vocab);
  }
  return tokens;
}

// In how many ways a model is computed: kMany where ROTOR_IDENTITY is "long"; kFew where a sanitizer makes each
// way slow and looks for what any of them shows.
enum class Extent { kFew, kSome, kMany };

inline Extent identity_extent() {
  const char* const asked = std::getenv("ROTOR_IDENTITY");
  const bool long_asked = asked != nullptr && std::string_view(asked) == "long";
  return long_asked ? Extent::kMany : test::kIsInstrumented ? Extent::kFew : Extent::kSome;
}

struct IdentityModel {
  const char* name;
  size_t turn;  // of the ways that it is computed in
  ModelConfig config;
  TestModelOptions options;
  KvType kv;
  const char* sha256;  // of the logits of all positions, (kTokens, vocab) binary32
  bool adapted = false;  // with identity_adapters()
};

// The model's name in what a failing test prints.
inline void PrintTo(const IdentityModel& model, std::ostream* out) { *out << model.name; }

inline ModelConfig shape(size_t hidden, size_t ffn, size_t heads, size_t kv_heads, size_t head_dim) {
  ModelConfig c = test_config();
  c.hidden = hidden;
  c.ffn = ffn;
  c.heads = heads;
  c.kv_heads = kv_heads;
  c.head_dim = head_dim;
  return c;
}

inline std::vector<IdentityModel> identity_models() {
  using Scale = TernaryScale::Granularity;
  const ModelConfig narrow = shape(40, 56, 2, 2, 16);
  const ModelConfig middle = shape(128, 200, 4, 2, 64);
  ModelConfig four = shape(72, 90, 4, 1, 128);
  four.layers = 1;
  four.attention_window = 100;
  ModelConfig five = shape(160, 300, 5, 1, 128);
  five.tied_head = false;
  ModelConfig llama = shape(72, 90, 4, 2, 100);  // heads wider than their share
  llama.layers = 1;
  llama.activation = Activation::kSilu;
  llama.attn_sub_norm = llama.ffn_sub_norm = llama.tied_head = false;
  llama.rope_scaling.type = RopeScalingType::kLlama3;
  llama.rope_scaling.factor = 8.0;
  llama.rope_scaling.original_context = 64.0;
  ModelConfig qwen3 = llama;
  qwen3.head_dim = 96;
  qwen3.qk_norm = true;
  qwen3.rope_scaling.type = RopeScalingType::kYarn;
  qwen3.rope_scaling.factor = 4.0;
  qwen3.rope_scaling.original_context = 128.0;
  qwen3.rope_scaling.attention_factor = yarn_attention_factor(4.0);
  ModelConfig own_norms = qwen3;
  own_norms.layers = 2;
  own_norms.head_dim = 256;
  own_norms.input_norms = true;
  ModelConfig trilm = llama;
  trilm.float_activations = true;
  ModelConfig float_groups = qwen3;
  float_groups.hidden = 264;  // more than a block of a sum
  float_groups.ffn = 60;
  float_groups.float_activations = true;
  ModelConfig minicpm = llama;
  minicpm.layers = 2;
  minicpm.embed_scale = 12.0f;
  minicpm.residual_scale = 0.99f;
  minicpm.head_divisor = 9.0f;
  ModelConfig gemma = own_norms;
  gemma.layers = 3;
  gemma.post_norms = true;
  gemma.activation = Activation::kGeluTanh;
  gemma.rope_scaling = {};
  gemma.attention_window = 70;
  gemma.global_every = 3;
  gemma.local_rope_theta = 5000.0;
  gemma.attention_scale = 0.07f;
  gemma.embed_scale = 8.5f;
  const ModelConfig experts = experts_config();
  ModelConfig grouped_experts = experts;
  grouped_experts.hidden = 144;  // more than a group of columns
  grouped_experts.ffn = 80;
  grouped_experts.experts_used = 3;
  ModelConfig float_experts = experts;
  float_experts.experts = 1;
  float_experts.experts_used = 1;
  float_experts.float_activations = true;
  const TestModelOptions f32{FloatType::kF32, Scale::kTensor, 1};
  const TestModelOptions bf16{FloatType::kBf16, Scale::kRow, 2};
  const TestModelOptions f16{FloatType::kF16, Scale::kTensor, 3};
  const TestModelOptions q8{FloatType::kQ8_0, Scale::kTensor, 4};
  const TestModelOptions groups{FloatType::kBf16, Scale::kGroup, 5, {128, GroupScaleType::kF16}};
  const TestModelOptions wide{FloatType::kBf16, Scale::kGroup, 6, {256, GroupScaleType::kF32}};
  return {
      {"narrow_f16", 0, narrow, f32, KvType::kF16,
       "2340e6d875d96b624b8f21d4fd1317e05203103e937d4ea1f77c04c838e01e8b"},
      {"groups_of_two_f16", 1, middle, bf16, KvType::kF16,
       "d3f0304e6f097f80c5653a0e81fd1d8f7cb7b2109e0da1acbda19e615b6209ab"},
      {"groups_of_two_f32", 2, middle, bf16, KvType::kF32,
       "4941af0edb744bb09ee88c0e51c0e951f892e09288c005aca5e4848880226146"},
      {"groups_of_four_window_f16", 3, four, f16, KvType::kF16,
       "e539ce278f0e70d9c32db83833c9f431b38db9b35e6805c01d2ede7b27aa4912"},
      {"groups_of_four_window_int8", 2, four, f16, KvType::kInt8,
       "a510f5a35a5a63f280b128d19bdde9a831d34d69f34cf69a3de2432887aea373"},
      {"groups_of_two_bf16", 3, middle, bf16, KvType::kBf16,
       "b119e471f28b4c6b4f72849cfe23c3a3957c80011fced8c64c3565f6524cde1b"},
      {"groups_of_five_f16", 4, five, q8, KvType::kF16,
       "a51be2a833237d6e65283476196db647a482d5cc1047e2d41c60566d65ae0acd"},
      {"groups_of_five_f32", 5, five, q8, KvType::kF32,
       "c94d91bcbf0fa060e5906b67c6cc5304019ba2b2758438fafd731d312dc445e2"},
      {"scales_of_groups_f16", 6, five, groups, KvType::kF16,
       "2367cb5fffefd1252a376a1aa6db721fe3d2bcc56f781e2be19ac609af70b51a"},
      {"scales_of_wide_groups_f32", 7, five, wide, KvType::kF32,
       "4cd06f309836e7845cef5c3e4189132f95f3caf2506c9e58a7fefcdfacbc112c"},
      {"llama_layers_f16", 4, llama, f16, KvType::kF16,
       "745b71218fa18a572c4f977fc8f57c524b50b58ca2e7ac6a366e0b997f284713"},
      {"norms_of_heads_yarn_f16", 5, qwen3, bf16, KvType::kF16,
       "a6afbb19a2f186ba079b3b0d743bbc89acd081838c7a95c4f37a6f91aec458fa"},
      {"norms_of_matrices_int8", 6, own_norms, f32, KvType::kInt8,
       "e2ef537386cfac3f9a5f62c909d8114f25557cd97e03e8339e7d4a05d9ba60bc"},
      {"float_activations_f16", 7, trilm, bf16, KvType::kF16,
       "882ce3103b636fd65c6d9437b9d7c4f4016ccfe7fdf5be7d4335ac7566f44707"},
      {"float_activations_groups_f32", 0, float_groups, groups, KvType::kF32,
       "79649e87b23a859510aad0f43fe4fd76a6e89b6c1bbbf1ea22f7c270ce4dab69"},
      {"windows_of_some_layers_f16", 2, gemma, f32, KvType::kF16,
       "a45171745c900337e0c774dd48544ad05fbaafad9e1ea6317085ed8b14700c90"},
      {"multipliers_f16", 1, minicpm, bf16, KvType::kF16,
       "09d92f2f6bd63b526da1ecec31699ae6bd651d9c6947f4bf51f666a479e08dc7"},
      {"experts_f16", 3, experts, bf16, KvType::kF16,
       "77d6deb9730161a8a703c812c146dfe33b56f59b98233b34ce02fe0438d38ee2"},
      {"experts_with_scales_of_groups_f32", 4, grouped_experts, groups, KvType::kF32,
       "a4e283ee423e23a5b63a08fa318312c74c9265c48217c731c8762e9b18a82e75"},
      {"a_single_expert_float_activations_f16", 5, float_experts, bf16, KvType::kF16,
       "18dee216f69756e61ec4e23867ef46cf73a30836ca1f0fb1225aec86de1f4565"},
  };
}

}  // namespace rotor
