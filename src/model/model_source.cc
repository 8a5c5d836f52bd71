// SPDX-License-Identifier: Apache-2.0
// Finds out what a path is and hands it to the reader of that container.
#include "model/model_source.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

#include "io/container.h"
#include "model/gguf_source.h"
#include "model/hf_source.h"
#include "model/rotor_source.h"
#include "model/synthetic_source.h"

namespace rotor {

MatrixShape linear_shape(const ModelConfig& c, LinearRole role) {
  switch (role) {
    case LinearRole::kQ: return {c.q_rows(), c.hidden};
    case LinearRole::kK:
    case LinearRole::kV: return {c.kv_rows(), c.hidden};
    case LinearRole::kO: return {c.hidden, c.q_rows()};
    case LinearRole::kGate:
    case LinearRole::kUp: return {c.stacked() * c.ffn, c.hidden};
    case LinearRole::kDown: return {c.stacked() * c.hidden, c.ffn};
  }
  return {0, 0};
}

namespace {

// "name" or "name:seed".
Result<ModelSource> open_synthetic(const std::string& text) {
  const size_t colon = text.find(':');
  uint64_t seed = 0;
  if (colon != std::string::npos) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, seed);
    if (error != std::errc() || stop != end) {
      return invalid_argument("synthetic:" + text + ": expected synthetic:NAME or "
                              "synthetic:NAME:SEED with a number as seed");
    }
  }
  return synthetic_source(text.substr(0, colon), seed);
}

// Of a tokenizer, or of any other JSON file.
Status not_a_model(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string name = file.filename();
  if (name.ends_with("config.json") || name.ends_with(".safetensors.index.json")) {
    const std::string folder = file.parent_path().string();
    return format_error(path + ": is one file of a Hugging Face folder, not a model; give the "
                        "folder, " + (folder.empty() ? "." : folder));
  }
  return format_error(path + ": holds a tokenizer, not a model; expected a Hugging Face "
                      "directory, .safetensors, .gguf or .rotor file");
}

Result<ModelSource> open_container(const std::string& path, const SourceOptions& options) {
  constexpr std::string_view kSynthetic = "synthetic:";
  if (path.starts_with(kSynthetic)) {
    ROTOR_TRY(refuse_overrides(path, options.overrides));
    return open_synthetic(path.substr(kSynthetic.size()));
  }
  ROTOR_ASSIGN(const Container container, identify_container(path));
  if (container != Container::kGguf) {
    ROTOR_TRY(refuse_overrides(path, options.overrides));
  }
  switch (container) {
    case Container::kHuggingFace: return hf_source(path);
    case Container::kSafetensors: return hf_source(path);
    case Container::kGguf: return gguf_source(path, options);
    case Container::kRotor: return rotor_source(path);
    default: return not_a_model(path);
  }
}

// The ordinary tokens, which any text becomes, and the begin token need rows. Rows beyond the
// tokenizer are padding. Added and unused tokens beyond the rows are common in models that were tuned
// further; a prompt that holds one is refused when it comes.
Status check_vocabulary(ModelSource& source) {
  const size_t rows = source.config.vocab;
  if (!source.tokenizer || source.tokenizer->tokens.size() <= rows) {
    return {};
  }
  const TokenizerSpec& spec = *source.tokenizer;
  const std::string counts = "the tokenizer has " + std::to_string(spec.tokens.size()) +
                             " tokens, but the embedding (" + source.embed.tensor + ") has only " +
                             std::to_string(rows) + " rows";
  const auto beyond = spec.kinds.begin() + static_cast<std::ptrdiff_t>(rows);
  const bool text = std::find(beyond, spec.kinds.end(), TokenKind::kNormal) != spec.kinds.end();
  const bool begin = spec.add_bos && spec.bos != kNoToken && static_cast<size_t>(spec.bos) >= rows;
  if (text || begin) {
    return format_error(source.path + ": " + counts);
  }
  source.warnings.push_back(counts);
  return {};
}

}  // namespace

void ModelSource::take_text(TextSource text) {
  tokenizer = std::move(text.tokenizer);
  chat_template = std::move(text.chat_template);
  notes.insert(notes.end(), text.notes.begin(), text.notes.end());
  warnings.insert(warnings.end(), text.warnings.begin(), text.warnings.end());
}

Result<bool> same_rows(const FloatSource& a, const FloatSource& b) {
  if (a.type != b.type || a.rows != b.rows || a.cols != b.cols) {
    return false;
  }
  const size_t row_bytes = float_row_bytes(a.type, a.cols);
  const size_t step = std::max<size_t>(1, (size_t{1} << 20) / row_bytes);
  std::vector<std::byte> from_a(step * row_bytes);
  std::vector<std::byte> from_b(step * row_bytes);
  for (size_t begin = 0; begin < a.rows; begin += step) {
    const size_t end = std::min(a.rows, begin + step);
    ROTOR_TRY(a.reader->read(begin, end, from_a.data()));
    ROTOR_TRY(b.reader->read(begin, end, from_b.data()));
    if (std::memcmp(from_a.data(), from_b.data(), (end - begin) * row_bytes) != 0) {
      return false;
    }
  }
  return true;
}

void ModelSource::warn_of_off_by_one() {
  uint64_t weights = 0;
  std::string first;
  for (const LayerSource& layer : layers) {
    for (const LinearSource& linear : layer.linear) {
      first = weights == 0 ? linear.tensor : first;
      weights += linear.off_by_one;
    }
  }
  if (weights > 0) {
    warnings.push_back(std::to_string(weights) + " weights are the floating-point number next to the one "
                       "their scale gives and are read as that, the first in '" + first + "'");
  }
}

bool has_group_scales(const ModelSource& source) {
  return std::any_of(source.layers.begin(), source.layers.end(), [](const LayerSource& layer) {
    return std::any_of(std::begin(layer.linear), std::end(layer.linear),
                       [](const LinearSource& linear) { return linear.scale.grouped(); });
  });
}

bool has_float_matrices(const ModelSource& source) {
  return !source.layers.empty() && source.layers[0].linear[0].floats.has_value();
}

bool needs_i2(const ModelSource& source) {
  return source.config.float_activations || has_group_scales(source);
}

Status check_format(const ModelSource& source, TernaryFormat format) {
  if (format == TernaryFormat::kI2 || !needs_i2(source)) {
    return {};
  }
  const std::string what = source.config.float_activations
                               ? "its activations stay floats"
                               : "its matrices have " + scale_rule_text(source);
  return invalid_argument(source.path + ": " + what + ", which is computed in the layout i2 alone; "
                          "asked for was " + std::string(format_info(format).name));
}

std::string scale_rule_text(const TernaryScale& scale) {
  switch (scale.granularity) {
    case TernaryScale::Granularity::kTensor: return "one multiplier a matrix";
    case TernaryScale::Granularity::kRow: return "one multiplier a row";
    case TernaryScale::Granularity::kGroup: break;
  }
  return "one multiplier for each " + std::to_string(scale.group.cols) + " columns of a row (" +
         std::string(group_scale_type_name(scale.group.type)) + ")";
}

std::string scale_rule_text(const ModelSource& source) {
  if (has_float_matrices(source)) {
    return "floats without scales";
  }
  std::vector<std::string> rules;
  for (const LayerSource& layer : source.layers) {
    for (const LinearSource& linear : layer.linear) {
      const std::string rule = scale_rule_text(linear.scale);
      if (std::find(rules.begin(), rules.end(), rule) == rules.end()) {
        rules.push_back(rule);
      }
    }
  }
  std::string text;
  for (const std::string& rule : rules) {
    text += (text.empty() ? "" : "; ") + rule;
  }
  return text;
}

void warn_of_zero_matrices(const ModelSource& source,
                           const std::function<bool(size_t, LinearRole)>& all_zero,
                           std::vector<std::string>& warnings) {
  for (size_t layer = 0; layer < source.layers.size(); ++layer) {
    for (size_t r = 0; r < kLinearRoles; ++r) {
      if (all_zero(layer, static_cast<LinearRole>(r))) {
        warnings.push_back("tensor '" + source.layers[layer].linear[r].tensor +
                           "' holds only zeros");
      }
    }
  }
}

Status check_layer(std::string_view tensor, std::string_view prefix, size_t layers,
                   const std::string& file, const char* key) {
  if (!tensor.starts_with(prefix)) {
    return {};
  }
  const char* const begin = tensor.data() + prefix.size();
  const char* const end = tensor.data() + tensor.size();
  uint64_t layer = 0;
  const auto [stop, error] = std::from_chars(begin, end, layer);
  const bool is_layer = stop != begin && stop != end && *stop == '.';
  if (!is_layer || (error == std::errc() && layer < layers)) {
    return {};
  }
  return format_error(file + ": " + key + " is " + std::to_string(layers) + ", but tensor '" +
                      std::string(tensor) + "' belongs to layer " +
                      std::string(begin, static_cast<size_t>(stop - begin)) + ", counted from 0");
}

Status UnusedTensors::add(const std::string& tensor, const std::string& file) {
  ROTOR_TRY(check_layer(tensor, prefix_, layers_, file, key_));
  if (tensor.starts_with(prefix_) && !tensor.ends_with(".rotary_emb.inv_freq")) {
    return unsupported(file + ": tensor '" + tensor + "' belongs to a layer, but layers of this "
                       "family have no such tensor: the file is another model than it says");
  }
  first_ = count_ == 0 ? tensor : first_;
  ++count_;
  return {};
}

void UnusedTensors::warn(std::vector<std::string>& warnings) const {
  if (count_ > 0) {
    warnings.push_back(std::to_string(count_) + " tensors are not used, the first is '" + first_ + "'");
  }
}

Result<ModelSource> open_model_source(const std::string& path, const SourceOptions& options) {
  ROTOR_ASSIGN(ModelSource source, open_container(path, options));
  ROTOR_TRY(check_vocabulary(source));
  source.warn_of_off_by_one();
  return source;
}

}  // namespace rotor
