// SPDX-License-Identifier: Apache-2.0
#include "model/hf_config_writer.h"

#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "model/family.h"
#include "text/sentencepiece_writer.h"
#include "text/unicode.h"

namespace rotor {
namespace {

namespace json = boost::json;

// One id or a list, as transformers writes them. Where the key is absent it would take Llama 3's id.
void put_ends(json::object& out, const std::vector<TokenId>& ends) {
  json::value& value = out["eos_token_id"];
  if (ends.size() == 1) {
    value = ends[0];
  } else if (!ends.empty()) {
    value = json::value_from(ends);
  }
}

void put_bos(json::object& out, const ModelSource& source) {
  json::value& value = out["bos_token_id"];
  if (source.tokenizer && source.tokenizer->bos != kNoToken) {
    value = source.tokenizer->bos;
  }
}

// binary32 numbers are spelled as the double nearest to their shortest decimal, 1e-05 and not
// 9.999999747378752e-06; it reads back as the same binary32.
double shortest(float value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.9g", static_cast<double>(value));
  for (int digits = 1; digits < 9; ++digits) {
    char shorter[32];
    std::snprintf(shorter, sizeof(shorter), "%.*g", digits, static_cast<double>(value));
    if (std::strtof(shorter, nullptr) == value) {
      return std::strtod(shorter, nullptr);
    }
  }
  return std::strtod(text, nullptr);
}

// transformers wants a count of positions to be an int.
json::value whole_if_whole(double value) {
  return value == std::floor(value) ? json::value(static_cast<int64_t>(value)) : json::value(value);
}

json::object rope_scaling(const RopeScaling& s) {
  json::object out = {{"rope_type", rope_scaling_name(s.type)}, {"factor", s.factor}};
  if (s.type == RopeScalingType::kLinear) {
    return out;
  }
  out["original_max_position_embeddings"] = whole_if_whole(s.original_context);
  if (s.type == RopeScalingType::kLlama3) {
    out["low_freq_factor"] = s.low_freq_factor;
    out["high_freq_factor"] = s.high_freq_factor;
    return out;
  }
  if (s.beta_fast != RopeScaling().beta_fast) {
    out["beta_fast"] = s.beta_fast;
  }
  if (s.beta_slow != RopeScaling().beta_slow) {
    out["beta_slow"] = s.beta_slow;
  }
  if (!s.truncate) {
    out["truncate"] = false;
  }
  if (s.attention_factor != yarn_attention_factor(s.factor)) {
    out["attention_factor"] = s.attention_factor;
  }
  return out;
}

json::object quantization(const ModelConfig& c, HfScale scale) {
  json::object out = {
      {"quant_method", "bitnet"},
      {"linear_class", scale == HfScale::kMultiplies ? "autobitlinear" : "bitlinear"},
      {"quantization_mode", "offline"},
      {"modules_to_not_convert", json::array{"lm_head"}}};
  if (c.input_norms) {
    out["use_rms_norm"] = true;
    out["rms_norm_eps"] = shortest(c.rms_eps);
  }
  return out;
}

std::string text_of(const json::object& object) { return json::serialize(object) + "\n"; }

}  // namespace

std::string_view hf_dtype_name(FloatType type) {
  return type == FloatType::kBf16 ? "bfloat16" : type == FloatType::kF16 ? "float16" : "float32";
}

std::string write_hf_config(const ModelSource& source, FloatType dtype, HfScale scale,
                            const std::vector<TokenId>& ends) {
  const ModelConfig& c = source.config;
  const Family& family = family_of(c);
  json::object out;
  out["architectures"] = json::array{family.hf_class};
  out["model_type"] = family.model_type;
  out["attention_bias"] = false;
  out["attention_dropout"] = 0.0;
  put_bos(out, source);
  put_ends(out, ends);
  if (family.head_dim != 0 || c.head_dim * c.heads != c.hidden) {
    out["head_dim"] = c.head_dim;
  }
  out["hidden_act"] = activation_name(c.activation);
  out["hidden_size"] = c.hidden;
  out["initializer_range"] = 0.02;
  out["intermediate_size"] = c.ffn;
  out["max_position_embeddings"] = c.context;
  out["num_attention_heads"] = c.heads;
  out["num_hidden_layers"] = c.layers;
  out["num_key_value_heads"] = c.kv_heads;
  out["rms_norm_eps"] = shortest(c.rms_eps);
  if (c.rope_scaling.type != RopeScalingType::kNone) {
    out["rope_scaling"] = rope_scaling(c.rope_scaling);
  }
  out["rope_theta"] = c.rope_theta;
  out["tie_word_embeddings"] = c.tied_head;
  out["torch_dtype"] = hf_dtype_name(dtype);
  out["use_cache"] = true;
  out["vocab_size"] = c.vocab;
  out["quantization_config"] = quantization(c, scale);
  return text_of(out);
}

std::string write_pooling_config(const ModelConfig& config) {
  return text_of({{"word_embedding_dimension", config.hidden},
                  {"pooling_mode_cls_token", config.pooling == Pooling::kFirst},
                  {"pooling_mode_mean_tokens", config.pooling == Pooling::kMean},
                  {"pooling_mode_lasttoken", config.pooling == Pooling::kLast}});
}

std::string write_generation_config(const ModelSource& source, const std::vector<TokenId>& ends) {
  const GenerationDefaults& defaults = source.generation_defaults;
  json::object out;
  put_bos(out, source);
  put_ends(out, ends);
  if (defaults.do_sample) {
    out["do_sample"] = *defaults.do_sample;
  }
  if (defaults.temperature) {
    out["temperature"] = shortest(*defaults.temperature);
  }
  if (defaults.top_p) {
    out["top_p"] = shortest(*defaults.top_p);
  }
  if (defaults.top_k) {
    out["top_k"] = *defaults.top_k;
  }
  return text_of(out);
}

std::string write_tokenizer_config(const ModelSource& source) {
  json::object out;
  out["tokenizer_class"] = "PreTrainedTokenizerFast";
  out["clean_up_tokenization_spaces"] = false;
  out["model_max_length"] = source.config.context;
  if (source.tokenizer) {
    const TokenizerSpec& spec = *source.tokenizer;
    const auto put = [&](const char* key, TokenId id) {
      if (id == kNoToken) {
        return;
      }
      const std::string& text = spec.tokens[static_cast<size_t>(id)];
      if (valid_utf8_prefix(text) == text.size()) {
        out[key] = text;
      }
    };
    const std::vector<TokenId>& ends = source.end_of_generation;
    put("bos_token", spec.bos);
    const bool named = spec.eos != kNoToken || ends.empty() ||
                       static_cast<size_t>(ends[0]) >= spec.tokens.size();
    put("eos_token", named ? spec.eos : ends[0]);
    put("unk_token", spec.unk);
    if (is_sentencepiece(spec)) {  // what tokenizer.model does not say
      out["add_bos_token"] = spec.add_bos;
      out["add_eos_token"] = spec.add_eos;
    }
  }
  if (!source.chat_template.empty()) {
    out["chat_template"] = source.chat_template;
  }
  return text_of(out);
}

}  // namespace rotor
