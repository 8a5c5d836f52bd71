// SPDX-License-Identifier: Apache-2.0
// ModelSource: a model file that was opened and understood but not loaded: every tensor found, named
// by its role, its shape and type checked, nothing large read yet. load_model(), convert, inspect and
// verify all start from here, so they agree on what a file holds.
#pragma once

#include <rotor/status.h>
#include <rotor/token.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf_override.h"
#include "io/i2s.h"
#include "model/config.h"
#include "model/group_scale_reader.h"
#include "model/i2s_probe.h"
#include "model/layer_norms.h"
#include "model/model.h"
#include "model/text_source.h"
#include "model/trace.h"
#include "model/trit_reader.h"
#include "model/weights.h"
#include "ternary/matrix.h"

namespace rotor {

struct FloatSource {
  std::string tensor;
  FloatType type = FloatType::kBf16;
  size_t rows = 0;
  size_t cols = 0;
  std::unique_ptr<FloatReader> reader;
};

// One matrix of a layer: trits and scales, or, in an ordinary float model, floats.
struct LinearSource {
  std::string tensor;                  // the file's own name, for messages
  std::string layout;                  // "hf packed u8", "i2_s 128", "dense243", "bf16 master", ...
  std::unique_ptr<TritReader> trits;   // (rows, cols), or null
  TernaryScale scale;
  std::unique_ptr<GroupScaleReader> group_scales = nullptr;  // kGroup, else null
  // Weights of a float tensor whose magnitude is the number next to their scale's (model/exact_ternary.h).
  uint64_t off_by_one = 0;
  std::vector<float> input_norm = {};  // (cols) where the config has input_norms
  std::optional<FloatSource> floats = {};  // where `trits` is null
};

struct LayerSource : LayerNorms {
  LinearSource linear[kLinearRoles];   // indexed by LinearRole
  std::optional<FloatSource> router = {};  // (experts, hidden) where there are experts
};

// (rows, cols) that the config asks of a matrix. Those of experts are one matrix, one below the other.
struct MatrixShape {
  size_t rows;
  size_t cols;
};
MatrixShape linear_shape(const ModelConfig& config, LinearRole role);

struct ModelSource {
  std::string path;
  std::string container;               // "Hugging Face directory", "GGUF v3", "rotor", "synthetic"
  ModelConfig config;
  FloatSource embed;
  std::optional<FloatSource> head;     // absent when tied
  bool duplicate_head = false;         // the file has one that is a copy of the embedding
  std::vector<LayerSource> layers;
  std::vector<float> output_norm;      // (hidden)
  std::optional<TokenizerSpec> tokenizer;
  std::string chat_template;           // source text; empty when there is none
  std::vector<TokenId> end_of_generation;
  GenerationDefaults generation_defaults;
  std::optional<I2sChoice> i2s;        // where matrices are I2_S
  std::vector<std::string> notes;      // found, chosen, repaired
  std::vector<std::string> warnings;

  // Moves tokenizer, template, notes and warnings here.
  void take_text(TextSource text);
  // Warns of weights that their scale gives only nearly.
  void warn_of_off_by_one();
};

// Whether two tables hold the same bytes in the same type. Reads both.
Result<bool> same_rows(const FloatSource& a, const FloatSource& b);

// Whether a matrix has scales of groups of columns.
bool has_group_scales(const ModelSource& source);
// Whether the matrices are floats, not trits: all are, or none.
bool has_float_matrices(const ModelSource& source);
// Whether the model is computed in the layout i2 alone: it has scales of groups, or activations stay floats.
bool needs_i2(const ModelSource& source);
// kInvalidArgument when the matrices cannot be computed in `format`.
Status check_format(const ModelSource& source, TernaryFormat format);

// "one multiplier for each 128 columns of a row (f16)"
std::string scale_rule_text(const TernaryScale& scale);
// Those of all matrices, each once.
std::string scale_rule_text(const ModelSource& source);

// Appends a warning for each matrix of which all_zero(layer, role) is true: legal, but it computes
// nothing, so the file is most likely broken.
void warn_of_zero_matrices(const ModelSource& source,
                           const std::function<bool(size_t, LinearRole)>& all_zero,
                           std::vector<std::string>& warnings);

// kFormatError when `tensor`, a name such as "blk.7.ffn_up.weight" for the prefix "blk.", belongs to a
// layer that a model of `layers` layers lacks. `file` and `key` say whose number that is.
Status check_layer(std::string_view tensor, std::string_view prefix, size_t layers,
                   const std::string& file, const char* key);

// The tensors of a file that nothing reads. One that belongs to a layer makes the file another model
// than the decoder computes: an error. Others are told in a warning.
class UnusedTensors {
 public:
  // Arguments as of check_layer(), which outlive the object.
  UnusedTensors(std::string_view prefix, size_t layers, const char* key)
      : prefix_(prefix), layers_(layers), key_(key) {}

  // kFormatError as check_layer(); kUnsupported for a tensor of a layer, unless it is a stored copy of
  // the rotary frequencies, which follow from the config (rotary_emb.inv_freq of old checkpoints).
  Status add(const std::string& tensor, const std::string& file);
  void warn(std::vector<std::string>& warnings) const;

 private:
  std::string_view prefix_;
  size_t layers_;
  const char* key_;
  size_t count_ = 0;
  std::string first_;
};

// Of a model whose files hold floats and say nothing of rounding, with and without trits in them.
inline constexpr std::string_view kFloatActivationsNote =
    "the matrices are floats that are trits times scales, and nothing says that activations are rounded: "
    "they are not";
inline constexpr std::string_view kFloatModelNote =
    "the matrices are ordinary floats, not trits: computed as they are, nothing is rounded";

// How to read what a file does not say about itself.
struct SourceOptions {
  std::optional<I2sLayout> i2s_layout;  // none: what the weights show (model/i2s_probe.h)
  std::vector<GgufOverride> overrides;  // hold in place of the metadata of a GGUF file
};

// Opens any model Rotor reads: a Hugging Face directory, .safetensors, .gguf or .rotor file, or
// "synthetic:<name>[:seed]". kFormatError, kUnsupported, kNotFound or kIoError with file, tensor,
// offset, expected and got. kInvalidArgument for overrides of another container than GGUF.
Result<ModelSource> open_model_source(const std::string& path, const SourceOptions& options);

}  // namespace rotor
