// SPDX-License-Identifier: Apache-2.0
// Maps the tensor names of GGUF files to roles.
#include "model/gguf_source.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "io/gguf.h"
#include "io/gguf_types.h"
#include "model/family.h"
#include "model/gguf_config.h"
#include "model/gguf_linear.h"
#include "model/gguf_names.h"
#include "model/i2s_probe.h"
#include "model/paired_rows.h"
#include "model/rope_scaling_form.h"
#include "model/text_source.h"

namespace rotor {
namespace {

using SharedFile = std::shared_ptr<const GgufFile>;

class GgufRows final : public FloatReader {
 public:
  GgufRows(SharedFile file, const GgufTensor* tensor, size_t row_bytes)
      : file_(std::move(file)), tensor_(tensor), row_bytes_(row_bytes) {}
  Status read(size_t begin, size_t end, std::byte* out) const override {
    return file_->read(*tensor_, begin * row_bytes_, {out, (end - begin) * row_bytes_});
  }

 private:
  SharedFile file_;
  const GgufTensor* tensor_;
  size_t row_bytes_;
};

class Opener {
 public:
  Opener(SharedFile file, const SourceOptions& options) : file_(std::move(file)), options_(options) {}

  Status open(ModelSource& out) {
    ROTOR_ASSIGN(out.config, parse_gguf_config(*file_, out.notes));
    family_ = find_gguf_family(file_->string("general.architecture")->value_or(""));
    ModelConfig& c = out.config;
    ROTOR_TRY(choose_layout(out));
    ROTOR_TRY(read_rotary_divisors(c));
    c.input_norms = file_->find_tensor(gguf_names::input_norm(0, LinearRole::kQ)) != nullptr;
    ROTOR_TRY(find_plain_floats(out));
    ROTOR_ASSIGN(out.embed, open_rows(gguf_names::kEmbed, c));
    ROTOR_TRY(open_head(out));
    ROTOR_ASSIGN(out.output_norm, read_vector(gguf_names::kOutputNorm, c.hidden));
    for (size_t i = 0; i < c.layers; ++i) {
      ROTOR_ASSIGN(LayerSource layer, open_layer(c, i));
      out.layers.push_back(std::move(layer));
    }
    return report_unused(out);
  }

 private:
  const std::string& path() const { return file_->file().path(); }
  std::string place(const GgufTensor& tensor) const { return gguf_place(*file_, tensor); }

  // The layout of I2_S, where the file has that type.
  Status choose_layout(ModelSource& out) {
    const auto& tensors = file_->tensors();
    if (std::none_of(tensors.begin(), tensors.end(),
                     [](const GgufTensor& tensor) { return tensor.type == kGgufI2S; })) {
      return {};
    }
    out.i2s = I2sChoice{options_.i2s_layout.value_or(I2sLayout::k128), I2sChoice::By::kOption, {}};
    if (!options_.i2s_layout) {
      ROTOR_ASSIGN(out.i2s, probe_i2s_layout(*file_, out.config.layers));
    }
    layout_ = out.i2s->layout;
    out.notes.push_back(i2s_choice_text(*out.i2s));
    return {};
  }

  // As for a Hugging Face folder: where all matrices are floats, they are computed as they are, as trits and
  // scales where the first is that exactly. A file with a single matrix of a ternary type was made by a
  // program that packs.
  Status find_plain_floats(ModelSource& out) {
    ModelConfig& c = out.config;
    if (family_->int8_activations || c.input_norms) {
      return {};
    }
    for (size_t layer = 0; layer < c.layers; ++layer) {
      for (size_t role = 0; role < kLinearRoles; ++role) {
        const GgufTensor* tensor = file_->find_tensor(
            gguf_names::linear(layer, static_cast<LinearRole>(role), c.experts != 0) + ".weight");
        if (tensor == nullptr) {  // reading the layer says so
          continue;
        }
        const std::optional<FloatType> type = gguf_float_type(tensor->type);
        if (!type || !is_plain_float(*type)) {
          return {};
        }
      }
    }
    c.float_activations = true;
    const Result<LinearSource> exact = open_linear(c, 0, LinearRole::kQ);
    float_matrices_ = !exact.ok() && exact.status().code() == Code::kUnsupported;
    (float_matrices_ ? out.warnings : out.notes)
        .emplace_back(float_matrices_ ? kFloatModelNote : kFloatActivationsNote);
    return {};
  }

  // The tensor with dimensions (matrices, rows, cols), or (cols) when rows is 0.
  Result<const GgufTensor*> find(const std::string& name, size_t rows, size_t cols,
                                 size_t matrices = 1) {
    const GgufTensor* tensor = file_->find_tensor(name);
    if (tensor == nullptr) {
      return format_error(path() + ": tensor '" + name + "' is missing");
    }
    used_.insert(name);
    const std::array<uint64_t, 4> expected = {cols, rows == 0 ? 1 : rows, matrices, 1};
    if (tensor->dims != expected) {
      return format_error(place(*tensor) + ": expected dimensions [" + std::to_string(cols) + ", " +
                          std::to_string(expected[1]) +
                          (matrices == 1 ? "" : ", " + std::to_string(matrices)) + "], got [" +
                          std::to_string(tensor->dims[0]) + ", " + std::to_string(tensor->dims[1]) +
                          ", " + std::to_string(tensor->dims[2]) + ", " +
                          std::to_string(tensor->dims[3]) + "]");
    }
    return tensor;
  }

  Result<std::vector<float>> read_vector(const std::string& name, size_t size) {
    ROTOR_ASSIGN(const GgufTensor* tensor, find(name, 0, size));
    return read_gguf_floats(*file_, *tensor);
  }

  // The rows of a tensor of plain floats.
  FloatSource float_rows(const GgufTensor& tensor, FloatType type, MatrixShape shape) const {
    FloatSource source{tensor.name, type, shape.rows, shape.cols, nullptr};
    source.reader =
        std::make_unique<GgufRows>(file_, &tensor, float_row_bytes(type, shape.cols));
    return source;
  }

  Result<FloatSource> open_router(const ModelConfig& c, size_t layer) {
    ROTOR_ASSIGN(const GgufTensor* tensor, find(gguf_names::router(layer), c.experts, c.hidden));
    const std::optional<FloatType> type = gguf_float_type(tensor->type);
    if (!type || !is_plain_float(*type)) {
      return unsupported(place(*tensor) + ": expected F32, F16 or BF16, got " +
                         gguf_type_name(tensor->type));
    }
    return float_rows(*tensor, *type, {c.experts, c.hidden});
  }

  Result<FloatSource> open_rows(const std::string& name, const ModelConfig& c) {
    ROTOR_ASSIGN(const GgufTensor* tensor, find(name, c.vocab, c.hidden));
    ROTOR_ASSIGN(std::unique_ptr<FloatReader> ternary, open_gguf_ternary_rows(file_, *tensor));
    if (ternary != nullptr) {
      return FloatSource{name, FloatType::kF16, c.vocab, c.hidden, std::move(ternary)};
    }
    const std::optional<FloatType> type = gguf_float_type(tensor->type);
    if (!type || float_row_bytes(*type, c.hidden) == 0) {
      return unsupported(place(*tensor) + ": expected an embedding in F32, F16, BF16, Q8_0, Q6_K, "
                         "Q4_0, Q4_K or a ternary type in blocks, got " + gguf_type_name(tensor->type));
    }
    return float_rows(*tensor, *type, {c.vocab, c.hidden});
  }

  // output.weight: absent (tied), a copy of the embedding (tied, with a note), or a head.
  Status open_head(ModelSource& out) {
    const std::string name = gguf_names::kHead;
    if (file_->find_tensor(name) == nullptr) {
      return {};
    }
    ROTOR_ASSIGN(FloatSource head, open_rows(name, out.config));
    ROTOR_ASSIGN(const bool copy, same_rows(head, out.embed));
    if (copy) {
      out.duplicate_head = true;
      out.notes.push_back("repaired: output.weight is a copy of token_embd.weight and is not loaded");
      return {};
    }
    out.config.tied_head = false;
    out.head = std::move(head);
    return {};
  }

  Result<LayerSource> open_layer(const ModelConfig& c, size_t index) {
    LayerSource layer;
    for (const LayerNorm& norm : layer_norms(c)) {
      ROTOR_ASSIGN(layer.norm(norm.role),
                   read_vector(gguf_names::layer_norm(index, norm.role), norm.size));
    }
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearRole role = static_cast<LinearRole>(r);
      LinearSource& linear = layer.linear[r];
      ROTOR_ASSIGN(linear, open_linear(c, index, role));
      if (c.input_norms) {
        ROTOR_ASSIGN(linear.input_norm, read_vector(gguf_names::input_norm(index, role),
                                                    linear_shape(c, role).cols));
      }
    }
    if (c.experts != 0) {
      ROTOR_ASSIGN(layer.router, open_router(c, index));
    }
    if (family_->gguf_pairs_rows) {
      undo_pairing(layer.linear[static_cast<size_t>(LinearRole::kQ)], c.head_dim);
      undo_pairing(layer.linear[static_cast<size_t>(LinearRole::kK)], c.head_dim);
    }
    return layer;
  }

  Result<LinearSource> open_linear(const ModelConfig& c, size_t layer, LinearRole role) {
    const std::string name = gguf_names::linear(layer, role, c.experts != 0);
    const MatrixShape shape = linear_shape(c, role);
    const size_t matrices = is_feed_forward(role) ? c.stacked() : 1;
    ROTOR_ASSIGN(const GgufTensor* tensor,
                 find(name + ".weight", shape.rows / matrices, shape.cols, matrices));
    if (file_->find_tensor(name + ".bias") != nullptr) {
      return unsupported(place(*tensor) + ": a linear layer with a bias is not supported");
    }
    if (float_matrices_) {
      if (file_->find_tensor(name + ".scale") != nullptr) {
        return unsupported(place(*tensor) + ": a scale of its own beside ordinary floats is not supported");
      }
      const FloatType type = *gguf_float_type(tensor->type);
      LinearSource source{tensor->name, gguf_type_name(tensor->type), nullptr, {}};
      source.floats = float_rows(*tensor, type, shape);
      return source;
    }
    if (matrices != 1) {
      return open_experts(name, *tensor);
    }
    used_.insert(name + ".scale");
    return open_gguf_linear(file_, name, *tensor, layout_);
  }

  // The matrices of all experts, which follow each other without a gap, as one.
  Result<LinearSource> open_experts(const std::string& name, const GgufTensor& tensor) const {
    if (tensor.type == kGgufI2S) {  // one scale at the end: of which expert?
      return unsupported(place(tensor) + ": experts in I2_S are not supported");
    }
    struct Held {
      SharedFile file;
      GgufTensor tensor;
    };
    const auto held = std::make_shared<Held>(Held{file_, tensor});
    held->tensor.dims = {tensor.dims[0], tensor.dims[1] * tensor.dims[2], 1, 1};
    held->tensor.rank = 2;
    const SharedFile file(held, file_.get());  // whoever keeps it keeps the tensor
    return open_gguf_linear(file, name, held->tensor, layout_);
  }

  bool has_longrope() const {
    const std::string arch(file_->string("general.architecture")->value_or(""));
    const auto type = file_->string(arch + ".rope.scaling.type");
    return type.ok() && *type == "longrope";
  }

  // rope_freqs.weight: what the rotary frequencies are divided by. Beside the numbers of llama3 it is
  // what follows from them. longrope has two lists, of which that for longer contexts is not computed.
  Status read_rotary_divisors(ModelConfig& c) {
    const bool longrope = has_longrope();
    if (longrope) {
      used_.insert(gguf_names::kLongDivisors);
    }
    const std::string name = longrope ? gguf_names::kShortDivisors : gguf_names::kRotaryDivisors;
    const bool llama3 = c.rope_scaling.type == RopeScalingType::kLlama3;
    if (!llama3 && !longrope && file_->find_tensor(name) == nullptr) {
      return {};
    }
    ROTOR_ASSIGN(std::vector<float> divisors, read_vector(name, c.head_dim / 2));
    if (llama3) {
      return divisors == rotary_divisors(c.rope_scaling, c.rope_theta, c.head_dim)
                 ? Status()
                 : format_error(path() + ": tensor '" + name +
                                "' is not what follows from the keys rotor.rope_llama3");
    }
    if (std::all_of(divisors.begin(), divisors.end(), [](float d) { return d == 1.0f; })) {
      return {};
    }
    if (c.rope_scaling.type != RopeScalingType::kNone) {
      return unsupported(path() + ": tensor '" + name + "' beside rotary scaling '" +
                         std::string(rope_scaling_name(c.rope_scaling.type)) +
                         "' is not supported");
    }
    c.rope_scaling.type = RopeScalingType::kDivisors;
    c.rope_scaling.divisors = std::move(divisors);
    return validate(c.rope_scaling, c.head_dim).with_context(path() + ": tensor '" + name + "'");
  }

  Status report_unused(ModelSource& out) const {
    UnusedTensors unused(gguf_names::kLayers, out.config.layers, "block_count");
    for (const GgufTensor& tensor : file_->tensors()) {
      if (!used_.contains(tensor.name)) {
        ROTOR_TRY(unused.add(tensor.name, path()));
      }
    }
    unused.warn(out.warnings);
    return {};
  }

  SharedFile file_;
  SourceOptions options_;
  const Family* family_ = nullptr;  // of a parsed config
  bool float_matrices_ = false;
  std::set<std::string> used_;
  I2sLayout layout_ = I2sLayout::k128;
};

}  // namespace

Result<ModelSource> gguf_source(const std::string& path, const SourceOptions& options) {
  ModelSource source;
  source.path = path;
  ROTOR_ASSIGN(GgufFile file, GgufFile::open(path));
  source.container = "GGUF v" + std::to_string(file.version());
  for (const std::string& said : file.replace(options.overrides)) {
    source.notes.push_back("overridden: " + said);
  }
  const auto shared = std::make_shared<const GgufFile>(std::move(file));
  Opener opener(shared, options);
  ROTOR_TRY(opener.open(source));
  ROTOR_TRY(read_gguf_generation(*shared, source.generation_defaults, source.end_of_generation));
  ROTOR_ASSIGN(TextSource text, read_gguf_text(*shared));
  source.take_text(std::move(text));
  for (const std::string& key : shared->unread_replacements()) {
    source.warnings.push_back("nothing reads the overridden key '" + key + "'");
  }
  return source;
}

}  // namespace rotor
