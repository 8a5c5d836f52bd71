// SPDX-License-Identifier: Apache-2.0
// The architecture is the first that GGUF files of the family have, the one that llama.cpp knows. Two stand
// for BitNet: bitnet.cpp's "bitnet-b1.58", which means squared ReLU, and llama.cpp's "bitnet", where a key
// says the activation.
#include "model/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "model/conversion.h"
#include "model/family.h"
#include "model/rope_scaling_form.h"
#include "text/gguf_vocabulary_writer.h"
#include "text/tokenizer.h"

namespace rotor {
namespace {

class Metadata {
 public:
  Metadata(const ModelSource& source, GgufWeights type, std::vector<std::string>& notes)
      : source_(source), type_(type), notes_(notes) {}

  Result<std::vector<GgufWriter::Entry>> build(bool allow_rounding) {
    ROTOR_TRY(check_config(allow_rounding));
    add_notes();
    add_general();
    add_sizes();
    add_rope_scaling();
    add_generation();
    if (source_.tokenizer) {
      ROTOR_TRY(add_tokenizer(*source_.tokenizer));
    } else {
      add("tokenizer.ggml.model", std::string("no_vocab"));
      add_end_tokens({});
    }
    if (!source_.chat_template.empty()) {
      add("tokenizer.chat_template", source_.chat_template);
    }
    return std::move(entries_);
  }

 private:
  void add(std::string key, GgufWriter::Value value) {
    entries_.push_back({std::move(key), std::move(value)});
  }
  void add_size(const char* key, size_t value) {
    add(arch_ + "." + key, static_cast<uint32_t>(value));
  }

  Status check_config(bool allow_rounding) {
    const ModelConfig& c = source_.config;
    ROTOR_TRY(check_family_layers(c, "GGUF"));
    const Family& family = family_of(c);
    const bool official = type_ == GgufWeights::kI2S && c.activation == Activation::kRelu2;
    is_bitnet_ = family.name == "bitnet";
    arch_ = is_bitnet_ && official ? "bitnet-b1.58" : std::string(family.gguf.front());
    if (!is_bitnet_ && c.activation != family.activation) {
      return unsupported(fmt::format("GGUF: architecture '{}' means the activation {}, and no key says "
                                     "another; a model with {} cannot be written, a .rotor file can "
                                     "hold it", arch_, activation_name(family.activation),
                                     activation_name(c.activation)));
    }
    return check_rope(allow_rounding);
  }

  // What is said of rotary embedding, and in binary32.
  Status check_rope(bool allow_rounding) const {
    const ModelConfig& c = source_.config;
    const RopeScaling scaling = essential(c.rope_scaling);
    if (scaling.type == RopeScalingType::kYarn &&
        (!scaling.truncate || scaling.attention_factor != yarn_attention_factor(scaling.factor) ||
         scaling.original_context != std::floor(scaling.original_context))) {
      return unsupported("GGUF: YaRN with truncate false, a broken number of positions or another "
                         "attention factor than 0.1 ln(factor) + 1 cannot be written; a .rotor file "
                         "can hold it");
    }
    if (allow_rounding) {
      return {};
    }
    if (static_cast<float>(c.rope_theta) != c.rope_theta) {
      return unsupported(fmt::format("GGUF has rope_theta in binary32; {} would become {}; "
                                     "--allow-rounding accepts that",
                                     c.rope_theta, static_cast<float>(c.rope_theta)));
    }
    if (in_binary32(scaling) != scaling) {
      return unsupported("GGUF has the numbers of rotary scaling in binary32, which does not hold all of "
                         "this model's (" + std::string(rope_scaling_name(scaling.type)) +
                         "); --allow-rounding accepts that");
    }
    return {};
  }

  // What other programs do not read, or read otherwise.
  void add_notes() {
    const ModelConfig& c = source_.config;
    if (arch_ == "bitnet" && c.activation == Activation::kRelu2) {
      notes_.push_back("llama.cpp takes the activation, relu2, from the key bitnet.hidden_activation; "
                       "builds that do not know it yet compute SiLU, which is another model");
    }
    if (is_bitnet_ && c.q_rows() != c.hidden) {
      notes_.push_back("llama.cpp reads BitNet models only where the heads together are as wide as the "
                       "hidden state");
    }
    if (!c.tied_head && arch_ == "bitnet") {
      notes_.push_back("llama.cpp reads BitNet models only where the head is the embedding");
    }
    if (c.input_norms) {
      notes_.push_back("llama.cpp does not load a model whose matrices have norms of their own "
                       "(attn_q_norm_in, ...); bitnet.cpp and Rotor do");
    }
    const RopeScaling yarn;  // with the usual numbers
    if (c.rope_scaling.type == RopeScalingType::kYarn &&
        (c.rope_scaling.beta_fast != yarn.beta_fast || c.rope_scaling.beta_slow != yarn.beta_slow)) {
      notes_.push_back("llama.cpp does not read YaRN's beta_fast and beta_slow in every architecture: it "
                       "may compute with 32 and 1 (--yarn-beta-fast, --yarn-beta-slow give it others)");
    }
    const bool divisors = c.rope_scaling.type == RopeScalingType::kLlama3 ||
                          c.rope_scaling.type == RopeScalingType::kDivisors;
    if (divisors && arch_ != "llama") {
      notes_.push_back("llama.cpp knows rope_freqs.weight, which says this rotary scaling, in the "
                       "architecture llama alone");
    }
  }

  void add_general() {
    const std::string& name = source_.config.name;
    add("general.architecture", arch_);
    add("general.name",
        name.empty() ? std::filesystem::path(source_.path).stem().string() : name);
    add("general.file_type", gguf_weights_file_type(type_));
    add("general.quantization_version", uint32_t{2});
    add("rotor.converter", std::string("rotor " ROTOR_VERSION));
    add("rotor.source", std::filesystem::path(source_.path).filename().string());
    add("rotor.source_container", source_.container);
    add(kGgufTritsKey, std::string(64, '0'));
  }

  void add_sizes() {
    const ModelConfig& c = source_.config;
    add_size("vocab_size", c.vocab);
    add_size("context_length", c.context);
    add_size("embedding_length", c.hidden);
    add_size("block_count", c.layers);
    add_size(c.experts != 0 ? "expert_feed_forward_length" : "feed_forward_length", c.ffn);
    add_size("rope.dimension_count", c.turned_dims());
    add_size("attention.head_count", c.heads);
    add_size("attention.head_count_kv", c.kv_heads);
    add_size("attention.key_length", c.head_dim);
    add_size("attention.value_length", c.head_dim);
    add(arch_ + ".attention.layer_norm_rms_epsilon", c.rms_eps);
    add(arch_ + ".rope.freq_base", static_cast<float>(c.rope_theta));
    if (is_bitnet_) {
      add(arch_ + ".hidden_activation", std::string(activation_name(c.activation)));
    }
    if (c.pooling != Pooling::kUnstated) {
      add_size("pooling_type", static_cast<size_t>(c.pooling));
    }
    if (c.experts != 0) {
      add_experts();
    }
  }

  void add_experts() {
    const ModelConfig& c = source_.config;
    std::vector<bool> local;
    for (size_t layer = 0; layer < c.layers; ++layer) {
      local.push_back(c.is_local(layer));
    }
    add_size("expert_count", c.experts);
    add_size("expert_used_count", c.experts_used);
    add_size("attention.sliding_window", c.attention_window != 0 ? c.attention_window : c.context);
    add(arch_ + ".attention.sliding_window_pattern", local);
    add(arch_ + ".swiglu_clamp_exp", std::vector<float>(c.layers, c.gate_limit));
  }

  // llama3 has no name of its own: other programs take its frequencies from rope_freqs.weight, which
  // rounds them once more; the numbers that they follow from are for Rotor.
  void add_rope_scaling() {
    const RopeScaling& scaling = source_.config.rope_scaling;
    const auto number = [&](const std::string& key, double value) {
      add(key, static_cast<float>(value));
    };
    const std::string prefix = arch_ + ".rope.scaling.";
    switch (scaling.type) {
      case RopeScalingType::kNone:
      case RopeScalingType::kDivisors: return;
      case RopeScalingType::kLinear:
        add(prefix + "type", std::string("linear"));
        number(prefix + "factor", scaling.factor);
        return;
      case RopeScalingType::kLlama3:
        number("rotor.rope_llama3.factor", scaling.factor);
        number("rotor.rope_llama3.low_freq_factor", scaling.low_freq_factor);
        number("rotor.rope_llama3.high_freq_factor", scaling.high_freq_factor);
        number("rotor.rope_llama3.original_context", scaling.original_context);
        return;
      case RopeScalingType::kYarn:
        add(prefix + "type", std::string("yarn"));
        number(prefix + "factor", scaling.factor);
        add(prefix + "original_context_length", static_cast<uint32_t>(scaling.original_context));
        number(prefix + "yarn_beta_fast", scaling.beta_fast);
        number(prefix + "yarn_beta_slow", scaling.beta_slow);
        return;
    }
  }

  void add_generation() {
    const GenerationDefaults& defaults = source_.generation_defaults;
    if (defaults.temperature) {
      add("general.sampling.temp", *defaults.temperature);
    }
    if (defaults.top_p) {
      add("general.sampling.top_p", *defaults.top_p);
    }
    if (defaults.top_k) {
      add("general.sampling.top_k", int32_t{*defaults.top_k});
    }
    if (defaults.do_sample) {
      add("rotor.do_sample", *defaults.do_sample);
    }
  }

  Status add_tokenizer(const TokenizerSpec& spec) {
    ROTOR_ASSIGN(GgufVocabulary v, gguf_from_tokenizer(spec, source_.config.vocab, notes_));
    name_end_tokens(v);
    add("tokenizer.ggml.model", v.model);
    add("tokenizer.ggml.pre", v.pre);
    ROTOR_ASSIGN(TokenizerSpec again, tokenizer_from_gguf(v));
    add("tokenizer.ggml.tokens", std::move(v.tokens));
    add("tokenizer.ggml.token_type", std::move(v.types));
    if (v.model == "llama") {
      add("tokenizer.ggml.scores", std::move(v.scores));
      add("tokenizer.ggml.add_space_prefix", *v.add_space_prefix);
      add("tokenizer.ggml.remove_extra_whitespaces", *v.remove_extra_whitespaces);
    } else {
      add("tokenizer.ggml.merges", std::move(v.merges));
    }
    add_id("bos_token_id", v.bos);
    add_id("eos_token_id", v.eos);
    add_id("eot_token_id", v.eot);
    add_id("eom_token_id", v.eom);
    add_id("unknown_token_id", v.unk);
    add("tokenizer.ggml.add_bos_token", v.add_bos.value_or(false));
    add("tokenizer.ggml.add_eos_token", v.add_eos.value_or(false));
    ROTOR_ASSIGN(const Tokenizer tokenizer, Tokenizer::create(std::move(again)));
    add_end_tokens(tokenizer.end_of_generation());
    return {};
  }

  void add_id(const char* key, const std::optional<int64_t>& id) {
    if (id) {
      add(std::string("tokenizer.ggml.") + key, static_cast<uint32_t>(*id));
    }
  }

  // The format has three places for tokens that end an answer.
  void name_end_tokens(GgufVocabulary& v) const {
    for (const TokenId id : end_tokens(source_)) {
      const bool named = id == v.eos || id == v.eot || id == v.eom;
      if (named || static_cast<size_t>(id) >= v.tokens.size()) {
        continue;
      }
      std::optional<int64_t>& place = !v.eos ? v.eos : !v.eot ? v.eot : v.eom;
      place = place ? place : std::optional<int64_t>(id);
    }
  }

  // Those that a reader would not know from the ids above or the tokens' texts.
  void add_end_tokens(const std::vector<TokenId>& known) {
    std::vector<TokenId> others = end_tokens(source_);
    std::erase_if(others, [&](TokenId id) {
      return std::find(known.begin(), known.end(), id) != known.end();
    });
    if (!others.empty()) {
      notes_.push_back(fmt::format("{} more tokens end an answer than other programs will know of",
                                   others.size()));
      add("rotor.end_of_generation", std::vector<int32_t>(others.begin(), others.end()));
    }
  }

  const ModelSource& source_;
  GgufWeights type_;
  std::vector<std::string>& notes_;
  std::string arch_;
  bool is_bitnet_ = false;
  std::vector<GgufWriter::Entry> entries_;
};

}  // namespace

Result<std::vector<GgufWriter::Entry>> gguf_metadata(const ModelSource& source, GgufWeights type,
                                                     bool allow_rounding,
                                                     std::vector<std::string>& notes) {
  return Metadata(source, type, notes).build(allow_rounding);
}

}  // namespace rotor
