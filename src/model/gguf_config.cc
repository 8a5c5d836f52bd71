// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "model/family.h"
#include "model/gguf_names.h"
#include "text/detokenizer.h"

namespace rotor {
namespace {

constexpr int64_t kMaxLayers = 1024;

class Keys {
 public:
  Keys(const GgufFile& file, std::string arch) : file_(file), arch_(std::move(arch)) {}

  // A whole number of at most `max`.
  Result<size_t> size(const std::string& key, int64_t max = kMaxSize) const {
    ROTOR_ASSIGN(const std::optional<int64_t> value, file_.integer(arch_ + "." + key));
    if (!value) {
      return format_error(file_.file().path() + ": required key '" + arch_ + "." + key +
                          "' is missing");
    }
    return in_range(key, *value, max);
  }

  Result<size_t> size_or(const std::string& key, size_t fallback) const {
    ROTOR_ASSIGN(const std::optional<int64_t> value, file_.integer(arch_ + "." + key));
    return value ? in_range(key, *value, kMaxSize) : Result<size_t>(fallback);
  }

 private:
  static constexpr int64_t kMaxSize = (int64_t{1} << 24) - 1;

  Result<size_t> in_range(const std::string& key, int64_t value, int64_t max) const {
    if (value < 1 || value > max) {
      return format_error(file_.file().path() + ": key '" + arch_ + "." + key +
                          "': expected 1.." + std::to_string(max) + ", got " +
                          std::to_string(value));
    }
    return static_cast<size_t>(value);
  }

  const GgufFile& file_;
  std::string arch_;
};

// Of the architectures of BitNet only the plain "bitnet" leaves it open.
Status read_activation(const GgufFile& file, const std::string& arch, ModelConfig& model,
                       std::vector<std::string>& notes) {
  if (arch != "bitnet") {
    return {};
  }
  for (const char* key : {"bitnet.hidden_activation", "bitnet.hidden_act"}) {
    ROTOR_ASSIGN(const std::optional<std::string_view> value, file.string(key));
    if (!value) {
      continue;
    }
    const std::optional<Activation> activation = find_activation(*value);
    if (!activation) {
      return unsupported(file.file().path() + ": key '" + key + "': '" + std::string(*value) +
                         "' is not supported; expected relu2 or silu");
    }
    model.activation = *activation;
    return {};
  }
  const bool shape_of_2b4t = model.hidden == 2560 && model.ffn == 6912 && model.vocab == 128256;
  model.activation = shape_of_2b4t ? Activation::kRelu2 : Activation::kSilu;
  notes.push_back(std::string("the file names no activation; arch 'bitnet' with these sizes means ") +
                  (shape_of_2b4t ? "relu2 (BitNet b1.58 2B-4T)" : "silu"));
  return {};
}

// The numbers of llama3, which Rotor writes beside rope_freqs.weight, for which alone other programs
// have a place.
Status read_llama3(const GgufFile& file, RopeScaling& scaling) {
  const std::string prefix = "rotor.rope_llama3.";
  const auto read = [&](const char* key, double& out) -> Status {
    ROTOR_ASSIGN(const std::optional<double> value, file.number(prefix + key));
    if (!value) {
      return format_error(file.file().path() + ": required key '" + prefix + key + "' is missing");
    }
    out = *value;
    return {};
  };
  scaling.type = RopeScalingType::kLlama3;
  ROTOR_TRY(read("factor", scaling.factor));
  ROTOR_TRY(read("low_freq_factor", scaling.low_freq_factor));
  ROTOR_TRY(read("high_freq_factor", scaling.high_freq_factor));
  return read("original_context", scaling.original_context);
}

// Of the two lists that divide the frequencies one counts up to the original context, and only that is
// computed (as for Hugging Face folders); it is a tensor, which gguf_source.cc reads.
Status check_longrope(const GgufFile& file, const std::string& prefix, const ModelConfig& model) {
  ROTOR_ASSIGN(const std::optional<double> original, file.number(prefix + "original_context_length"));
  ROTOR_ASSIGN(const std::optional<double> factor, file.number(prefix + "attn_factor"));
  const double context = static_cast<double>(model.context);
  if (original.value_or(context) < context || factor.value_or(1.0) != 1.0) {
    return unsupported(file.file().path() + ": rotary scaling 'longrope' beyond its original context of " +
                       std::to_string(static_cast<int64_t>(original.value_or(context))) +
                       " positions is not supported; this model has " + std::to_string(model.context));
  }
  return {};
}

// What llama.cpp makes of the keys: a factor alone means linear, and YaRN multiplies cosines and sines
// with 0.1 ln(factor) + 1.
Status read_rope_scaling(const GgufFile& file, const std::string& arch, ModelConfig& model) {
  const std::string prefix = arch + ".rope.scaling.";
  RopeScaling& scaling = model.rope_scaling;
  ROTOR_ASSIGN(const std::optional<std::string_view> type, file.string(prefix + "type"));
  ROTOR_ASSIGN(const std::optional<double> factor, file.number(prefix + "factor"));
  if (type.value_or("linear") == "none" || (!type && factor.value_or(0.0) == 0.0)) {
    return file.find_value("rotor.rope_llama3.factor") != nullptr ? read_llama3(file, scaling)
                                                                  : Status();
  }
  if (type && *type == "longrope") {
    return check_longrope(file, prefix, model);
  }
  if (type && *type != "linear" && *type != "yarn") {
    return unsupported(file.file().path() + ": rotary scaling '" + std::string(*type) +
                       "' is not supported; expected linear, longrope or yarn");
  }
  for (const char* key : {"attn_factor", "yarn_attn_factor", "yarn_ext_factor"}) {
    ROTOR_ASSIGN(const std::optional<double> value, file.number(prefix + key));
    if (value.value_or(1.0) != 1.0) {
      return unsupported(file.file().path() + ": key '" + prefix + key + "' is " +
                         std::to_string(*value) + ": another value than 1 is not supported");
    }
  }
  if (!factor) {
    return format_error(file.file().path() + ": required key '" + prefix + "factor' is missing");
  }
  const bool yarn = type && *type == "yarn";
  scaling.type = yarn ? RopeScalingType::kYarn : RopeScalingType::kLinear;
  scaling.factor = *factor;
  if (yarn) {
    ROTOR_ASSIGN(const std::optional<double> original,
                 file.number(prefix + "original_context_length"));
    ROTOR_ASSIGN(const std::optional<double> fast, file.number(prefix + "yarn_beta_fast"));
    ROTOR_ASSIGN(const std::optional<double> slow, file.number(prefix + "yarn_beta_slow"));
    scaling.original_context = original.value_or(static_cast<double>(model.context));
    scaling.beta_fast = fast.value_or(scaling.beta_fast);
    scaling.beta_slow = slow.value_or(scaling.beta_slow);
    scaling.attention_factor = yarn_attention_factor(scaling.factor);
  }
  return {};
}

// Keys that would change what the decoder computes. Writers spell "none" as 0.
Status check_computed(const GgufFile& file, const std::string& arch, size_t context) {
  const auto refuse = [&](const std::string& key, int64_t value, const char* what) {
    return unsupported(file.file().path() + ": key '" + key + "' is " + std::to_string(value) +
                       ": " + what);
  };
  const std::string experts = arch + ".expert_count";
  ROTOR_ASSIGN(const std::optional<int64_t> count, file.integer(experts));
  if (count.value_or(0) != 0) {
    return refuse(experts, *count, "mixtures of experts are not supported in this architecture");
  }
  const std::string window = arch + ".attention.sliding_window";
  ROTOR_ASSIGN(const std::optional<int64_t> positions, file.integer(window));
  if (positions.value_or(0) != 0 && *positions < static_cast<int64_t>(context)) {
    return refuse(window, *positions,
                  "a window smaller than the context is not supported");
  }
  return {};
}

// MiniCPM's. Files of before there were keys hold models with the same three numbers, which llama.cpp knew by
// heart: 12, 1.4 / sqrt(layers) and hidden / 256.
Status read_multipliers(const GgufFile& file, const std::string& arch, ModelConfig& model,
                        std::vector<std::string>& notes) {
  const double layers = static_cast<double>(model.layers);
  ROTOR_ASSIGN(const std::optional<double> embed, file.number(arch + ".embedding_scale"));
  ROTOR_ASSIGN(const std::optional<double> residual, file.number(arch + ".residual_scale"));
  ROTOR_ASSIGN(const std::optional<double> head, file.number(arch + ".logit_scale"));
  model.embed_scale = static_cast<float>(embed.value_or(12.0));
  model.residual_scale = static_cast<float>(residual.value_or(1.4 / std::sqrt(layers)));
  model.head_divisor = static_cast<float>(head.value_or(static_cast<double>(model.hidden) / 256.0));
  if (!embed || !residual || !head) {
    notes.push_back("the file does not name all of MiniCPM's multipliers; absent ones are those of the "
                    "models of 2024: scale_emb 12, scale_depth 1.4, dim_model_base 256");
  }
  return {};
}

// A number, or the same number for each layer.
Result<std::optional<double>> same_in_all_layers(const GgufFile& file, const std::string& key,
                                                 size_t layers) {
  const GgufValue* const value = file.find_value(key);
  if (value == nullptr || !std::holds_alternative<std::unique_ptr<const GgufArray>>(*value)) {
    return file.number(key);
  }
  std::vector<double> numbers;
  if (const auto floats = file.floats(key); floats.ok()) {
    numbers.assign((*floats)->begin(), (*floats)->end());
  } else {
    ROTOR_ASSIGN(const auto integers, file.integers(key));
    numbers.assign(integers->begin(), integers->end());
  }
  if (numbers.size() != layers) {
    return format_error(file.file().path() + ": key '" + key + "': expected a number for each of " +
                        std::to_string(layers) + " layers, got " + std::to_string(numbers.size()));
  }
  if (std::adjacent_find(numbers.begin(), numbers.end(), std::not_equal_to<>()) != numbers.end()) {
    return unsupported(file.file().path() + ": key '" + key + "': another number in each layer is not "
                       "supported");
  }
  return std::optional<double>(numbers[0]);
}

// Keys of a mixture of experts that mean another one than Maple's.
Status check_mixture(const GgufFile& file, const std::string& arch) {
  struct Known {
    const char* key;
    double none;     // what an absent key means
    double as_well;  // what says the same
  };
  constexpr double kSoftmax = 1.0;
  constexpr Known kKnown[] = {{"expert_shared_count", 0.0, 0.0},   {"expert_group_count", 0.0, 1.0},
                              {"expert_group_used_count", 0.0, 1.0},
                              {"expert_gating_func", 0.0, kSoftmax},
                              {"expert_weights_scale", 0.0, 1.0},  {"leading_dense_block_count", 0.0, 0.0}};
  for (const Known& known : kKnown) {
    const std::string key = arch + "." + known.key;
    ROTOR_ASSIGN(const std::optional<double> value, file.number(key));
    if (value && *value != known.none && *value != known.as_well) {
      return unsupported(file.file().path() + ": key '" + key + "' is " + std::to_string(*value) +
                         ": another value than " + std::to_string(known.as_well) + " is not supported");
    }
  }
  const std::string key = arch + ".expert_weights_norm";
  ROTOR_ASSIGN(const std::optional<bool> normed, file.boolean(key));
  return normed.value_or(true)
             ? Status()
             : unsupported(file.file().path() + ": key '" + key + "' is false: weights of experts that do "
                           "not add up to 1 are not supported");
}

// Which layers have a window: a flag for each.
Status read_windows(const GgufFile& file, const std::string& arch, const Keys& keys, ModelConfig& model) {
  const std::string key = arch + ".attention.sliding_window_pattern";
  ROTOR_ASSIGN(const auto flags, file.integers(key));
  if (!flags || flags->size() != model.layers) {
    return format_error(file.file().path() + ": key '" + key + "': expected a flag for each of " +
                        std::to_string(model.layers) + " layers, got " +
                        (flags ? std::to_string(flags->size()) : "nothing"));
  }
  std::vector<bool> local;
  std::transform(flags->begin(), flags->end(), std::back_inserter(local),
                 [](int64_t flag) { return flag != 0; });
  const std::optional<size_t> every = global_every_of(local);
  if (!every) {
    return unsupported(file.file().path() + ": key '" + key + "': layers that see all positions in other "
                       "places than every n-th are not supported");
  }
  ROTOR_ASSIGN(model.attention_window, keys.size("attention.sliding_window"));
  model.global_every = *every;
  if (*every == 1) {  // no layer has the window
    model.attention_window = model.global_every = 0;
  }
  return {};
}

// Maple's: experts, windows, and in layers with a window a rotary embedding of a part of each head.
Status read_experts(const GgufFile& file, const std::string& arch, const Keys& keys, ModelConfig& model,
                    std::vector<std::string>& notes) {
  constexpr double kLimit = 7.0;
  ROTOR_TRY(check_mixture(file, arch));
  ROTOR_ASSIGN(model.experts, keys.size("expert_count"));
  ROTOR_ASSIGN(model.experts_used, keys.size("expert_used_count"));
  ROTOR_TRY(read_windows(file, arch, keys, model));
  ROTOR_ASSIGN(const std::optional<double> limit,
               same_in_all_layers(file, arch + ".swiglu_clamp_exp", model.layers));
  model.gate_limit = static_cast<float>(limit.value_or(kLimit));
  if (!limit) {
    notes.push_back("the file does not say how far gate and up of an expert go; the models of this "
                    "architecture bound them by 7");
  }
  ROTOR_ASSIGN(const std::optional<double> theta, file.number(arch + ".rope.freq_base_swa"));
  model.rope_theta = theta.value_or(model.rope_theta);
  if (model.rope_scaling.type != RopeScalingType::kNone) {
    return unsupported(file.file().path() + ": rotary scaling of layers with a window is not supported");
  }
  return {};
}

Result<Pooling> read_pooling(const GgufFile& file, const std::string& key) {
  constexpr Pooling kTypes[] = {Pooling::kUnstated, Pooling::kMean, Pooling::kFirst, Pooling::kLast};
  ROTOR_ASSIGN(const std::optional<int64_t> type, file.integer(key));
  const int64_t index = type.value_or(0);
  if (index < 0 || index >= static_cast<int64_t>(std::size(kTypes))) {
    return unsupported(file.file().path() + ": key '" + key + "' is " + std::to_string(index) +
                       "; expected 0 (none), 1 (mean), 2 (first) or 3 (last)");
  }
  return kTypes[index];
}

}  // namespace

Result<ModelConfig> parse_gguf_config(const GgufFile& file, std::vector<std::string>& notes) {
  const std::string& path = file.file().path();
  ROTOR_ASSIGN(const std::optional<std::string_view> arch_value,
               file.string("general.architecture"));
  const std::string arch(arch_value.value_or(""));
  const Family* family = find_gguf_family(arch);
  if (family == nullptr) {
    return unsupported(path + ": general.architecture '" + arch + "' is not supported; expected " +
                       gguf_family_names());
  }
  const Keys keys(file, arch);
  ModelConfig model = config_of(*family);
  model.activation = family->activation;
  ROTOR_ASSIGN(const std::optional<std::string_view> name, file.string("general.name"));
  Utf8Stream text;  // names come out as JSON: bytes that are no UTF-8 are replaced
  model.name = text.push(name.value_or("")) + text.flush();
  ROTOR_ASSIGN(model.context, keys.size("context_length"));
  ROTOR_ASSIGN(model.hidden, keys.size("embedding_length"));
  ROTOR_ASSIGN(model.ffn, keys.size(family->experts ? "expert_feed_forward_length" : "feed_forward_length"));
  ROTOR_ASSIGN(model.layers, keys.size("block_count", kMaxLayers));
  ROTOR_ASSIGN(model.heads, keys.size("attention.head_count"));
  ROTOR_ASSIGN(model.kv_heads, keys.size_or("attention.head_count_kv", model.heads));
  const size_t even_split = model.heads == 0 ? 0 : model.hidden / model.heads;
  ROTOR_ASSIGN(const size_t key_length, keys.size_or("attention.key_length", 0));
  ROTOR_ASSIGN(const size_t rope_dims, keys.size_or("rope.dimension_count",
                                                    key_length != 0 ? key_length : even_split));
  model.head_dim = key_length != 0 ? key_length : rope_dims;
  ROTOR_ASSIGN(const size_t value_length, keys.size_or("attention.value_length", model.head_dim));
  if (value_length != model.head_dim) {
    return unsupported(path + ": values of " + std::to_string(value_length) + " dimensions beside "
                       "keys of " + std::to_string(model.head_dim) + " are not supported");
  }
  if (family->experts) {
    ROTOR_ASSIGN(const size_t turned, keys.size_or("rope.dimension_count_swa", rope_dims));
    model.rotary_dims = turned == model.head_dim ? 0 : turned;
  } else if (rope_dims != model.head_dim) {
    return unsupported(path + ": rotary embedding of " + std::to_string(rope_dims) + " of " +
                       std::to_string(model.head_dim) + " dimensions is not supported");
  }
  ROTOR_ASSIGN(const std::optional<double> eps,
               file.number(arch + ".attention.layer_norm_rms_epsilon"));
  ROTOR_ASSIGN(const std::optional<double> theta, file.number(arch + ".rope.freq_base"));
  ROTOR_TRY(read_rope_scaling(file, arch, model));
  model.rms_eps = static_cast<float>(eps.value_or(1e-5));
  model.rope_theta = theta.value_or(10000.0);
  const GgufTensor* embed = file.find_tensor(gguf_names::kEmbed);
  if (embed == nullptr) {
    return format_error(path + ": tensor '" + gguf_names::kEmbed + "' is missing");
  }
  model.vocab = embed->dims[1];
  ROTOR_ASSIGN(const size_t vocab, keys.size_or("vocab_size", model.vocab));
  if (vocab != model.vocab) {
    return format_error(path + ": key '" + arch + ".vocab_size' is " + std::to_string(vocab) +
                        ", but tensor '" + gguf_names::kEmbed + "' has " + std::to_string(model.vocab) +
                        " rows");
  }
  if (family->experts) {
    ROTOR_TRY(read_experts(file, arch, keys, model, notes));
  } else {
    ROTOR_TRY(check_computed(file, arch, model.context));
  }
  ROTOR_ASSIGN(model.pooling, read_pooling(file, arch + ".pooling_type"));
  ROTOR_TRY(read_activation(file, arch, model, notes));
  if (family->multipliers) {
    ROTOR_TRY(read_multipliers(file, arch, model, notes));
  }
  ROTOR_TRY(validate(model).with_context(path));
  return model;
}

Status read_gguf_generation(const GgufFile& file, GenerationDefaults& defaults,
                            std::vector<TokenId>& end_of_generation) {
  ROTOR_ASSIGN(const std::optional<double> temperature, file.number("general.sampling.temp"));
  ROTOR_ASSIGN(const std::optional<double> top_p, file.number("general.sampling.top_p"));
  ROTOR_ASSIGN(const std::optional<int64_t> top_k, file.integer("general.sampling.top_k"));
  ROTOR_ASSIGN(defaults.do_sample, file.boolean("rotor.do_sample"));
  set_generation_defaults(temperature, top_p, top_k, defaults);
  ROTOR_ASSIGN(const auto ends, file.integers("rotor.end_of_generation"));
  for (const int64_t id : ends.value_or(std::vector<int64_t>())) {
    if (id < 0 || id > INT32_MAX) {
      return format_error(file.file().path() + ": key 'rotor.end_of_generation': expected token ids, "
                          "got " + std::to_string(id));
    }
    end_of_generation.push_back(static_cast<TokenId>(id));
  }
  return {};
}

}  // namespace rotor
