// SPDX-License-Identifier: Apache-2.0
// Maps the tensor names of transformers to roles and checks every shape and type against
// config.json before anything large is read.
#include "model/hf_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/file.h"
#include "base/half.h"
#include "io/hf_packed.h"
#include "io/mlx_packed.h"
#include "io/safetensors_set.h"
#include "model/block_scales.h"
#include "model/exact_ternary.h"
#include "model/hf_config.h"
#include "model/hf_names.h"
#include "model/master_reader.h"
#include "model/stacked_linears.h"
#include "model/ternary_rows.h"
#include "model/text_source.h"

namespace rotor {
namespace {

namespace fs = std::filesystem;
using Shape = std::vector<uint64_t>;
using Entry = SafetensorsSet::Entry;

constexpr uint64_t kMaxJsonBytes = uint64_t{256} << 20;

// What config.json lacks where masters do not say that they are.
constexpr const char* kMasterConfig =
    "\"quantization_config\": {\"quant_method\": \"bitnet\", \"linear_class\": \"autobitlinear\", "
    "\"quantization_mode\": \"online\"}";

std::optional<FloatType> float_type(DType dtype) {
  switch (dtype) {
    case DType::kF32: return FloatType::kF32;
    case DType::kF16: return FloatType::kF16;
    case DType::kBF16: return FloatType::kBf16;
    default: return std::nullopt;
  }
}

// Rows of a float tensor.
class TensorRows final : public FloatReader {
 public:
  TensorRows(std::shared_ptr<const SafetensorsSet> set, Entry entry, size_t row_bytes)
      : set_(std::move(set)), entry_(entry), row_bytes_(row_bytes) {}
  Status read(size_t begin, size_t end, std::byte* out) const override {
    return entry_.file->read(*entry_.tensor, begin * row_bytes_, {out, (end - begin) * row_bytes_});
  }

 private:
  std::shared_ptr<const SafetensorsSet> set_;  // owns what entry_ points to
  Entry entry_;
  size_t row_bytes_;
};

// Opens the tensors of one directory by role.
class Opener {
 public:
  Opener(std::shared_ptr<const SafetensorsSet> set, HfConfig config)
      : set_(std::move(set)), config_(std::move(config)) {}

  Status open(ModelSource& out) {
    const ModelConfig& c = config_.model;
    // A model that was saved without its head leaves the prefix out.
    const std::string embed = hf_names::embed(*config_.family);
    prefix_ = set_->find(embed) ? "" : hf_names::kPrefix;
    find_input_norms(out);
    ROTOR_TRY(find_plain_floats(out));
    out.config = c;
    ROTOR_ASSIGN(out.embed, open_rows(prefix_ + embed, {c.vocab, c.hidden}));
    ROTOR_TRY(open_head(out));
    ROTOR_ASSIGN(out.output_norm, read_gains(prefix_ + hf_names::kOutputNorm, c.hidden));
    for (size_t i = 0; i < c.layers; ++i) {
      ROTOR_ASSIGN(LayerSource layer, open_layer(i, out));
      out.layers.push_back(std::move(layer));
    }
    return report_unused(out);
  }

 private:
  // BitNet-embedding's matrices have norms of their own, and nothing else says that they are ternary.
  void find_input_norms(ModelSource& out) {
    ModelConfig& c = config_.model;
    if (c.input_norms) {
      input_norm_ = hf_names::kInputNorm;
      return;
    }
    input_norm_ = ".norm.weight";
    if (!set_->find(prefix_ + hf_names::linear(0, LinearRole::kQ) + input_norm_)) {
      return;
    }
    c.input_norms = true;
    if (!config_.quantization.present) {
      config_.quantization.present = true;
      config_.quantization.online = true;
      out.notes.push_back("each matrix has a norm of its own, as BitNet's embedding models have: "
                          "its float weights are taken for masters of ternary ones");
    }
  }

  // Where nothing says that weights or activations are rounded, floats are computed as they are: as trits
  // and scales where they are that exactly, else as an ordinary float model. The first matrix tells.
  Status find_plain_floats(ModelSource& out) {
    ModelConfig& c = config_.model;
    if (config_.quantization.present || config_.quantization.mlx_group != 0 ||
        config_.family->int8_activations) {
      return {};
    }
    for (size_t layer = 0; layer < c.layers; ++layer) {
      for (size_t role = 0; role < kLinearRoles; ++role) {
        for (const std::string& matrix : matrices_of(layer, static_cast<LinearRole>(role))) {
          const Entry entry = set_->find(matrix + ".weight");
          if (entry && !float_type(entry.tensor->dtype)) {
            return {};
          }
        }
      }
    }
    c.float_activations = true;
    const Result<LinearSource> exact = open_linear(prefix_ + hf_names::linear(0, LinearRole::kQ),
                                                   linear_shape(c, LinearRole::kQ), out);
    float_matrices_ = !exact.ok() && exact.status().code() == Code::kUnsupported;
    if (float_matrices_) {
      out.warnings.push_back(std::string(kFloatModelNote) + "; if they are BitNet masters, add " +
                             kMasterConfig + " to config.json");
    } else {
      out.notes.emplace_back(kFloatActivationsNote);
    }
    return {};
  }

  // What the file calls a matrix of the model: the names of all experts', or one.
  std::vector<std::string> matrices_of(size_t layer, LinearRole role) const {
    const size_t experts = is_feed_forward(role) ? config_.model.experts : 0;
    std::vector<std::string> names;
    for (size_t i = 0; i < experts; ++i) {
      names.push_back(prefix_ + hf_names::expert(layer, role, i));
    }
    return experts != 0 ? names : std::vector{prefix_ + hf_names::linear(layer, role)};
  }

  Result<Entry> find(const std::string& name) {
    const Entry entry = set_->find(name);
    if (!entry) {
      return format_error(set_->files()[0].file().path() + ": tensor '" + name + "' is missing");
    }
    used_.insert(name);
    return entry;
  }

  Status check_shape(const Entry& entry, const Shape& expected) const {
    if (entry.tensor->shape == expected) {
      return {};
    }
    return format_error(place(entry) + ": expected shape " + shape_text(expected) + ", got " +
                        shape_text(entry.tensor->shape));
  }

  static std::string place(const Entry& entry) {
    return entry.file->file().path() + ": tensor '" + entry.tensor->name + "' at byte " +
           std::to_string(entry.tensor->offset);
  }

  Result<FloatType> check_float(const Entry& entry) const {
    const std::optional<FloatType> type = float_type(entry.tensor->dtype);
    if (!type) {
      return format_error(place(entry) + ": expected F32, F16 or BF16, got " +
                          std::string(dtype_name(entry.tensor->dtype)));
    }
    return *type;
  }

  Result<std::vector<float>> read_vector(const std::string& name, size_t size) {
    ROTOR_ASSIGN(const Entry entry, find(name));
    ROTOR_TRY(check_shape(entry, {size}));
    ROTOR_ASSIGN(const FloatType type, check_float(entry));
    return read_values(entry, type, size);
  }

  // Of a norm of the family's own; Gemma keeps them less one.
  Result<std::vector<float>> read_gains(const std::string& name, size_t size) {
    ROTOR_ASSIGN(std::vector<float> gains, read_vector(name, size));
    if (config_.family->norms_plus_one) {
      for (float& gain : gains) {
        gain += 1.0f;
      }
    }
    return gains;
  }

  Result<std::vector<float>> read_values(const Entry& entry, FloatType type, size_t size) const {
    std::vector<std::byte> bytes(entry.tensor->bytes);
    ROTOR_TRY(entry.file->read(*entry.tensor, 0, bytes));
    std::vector<float> values(size);
    for (size_t i = 0; i < size; ++i) {
      if (type == FloatType::kF32) {
        std::memcpy(&values[i], bytes.data() + 4 * i, 4);
      } else {
        uint16_t half = 0;
        std::memcpy(&half, bytes.data() + 2 * i, 2);
        values[i] = type == FloatType::kBf16 ? bf16_to_float(half) : f16_to_float(half);
      }
      if (!std::isfinite(values[i])) {
        return format_error(place(entry) + ": value " + std::to_string(i) +
                            ": expected a finite number, got infinity or NaN");
      }
    }
    return values;
  }

  Result<FloatSource> open_rows(const std::string& name, const Shape& shape) {
    ROTOR_ASSIGN(const Entry entry, find(name));
    if (entry.tensor->dtype == DType::kU32 && config_.quantization.mlx_group != 0) {
      return open_mlx_rows(name, {shape[0], shape[1]});
    }
    ROTOR_TRY(check_shape(entry, shape));
    ROTOR_ASSIGN(const FloatType type, check_float(entry));
    FloatSource source{name, type, shape[0], shape[1], nullptr};
    source.reader = std::make_unique<TensorRows>(set_, entry, float_row_bytes(type, shape[1]));
    return source;
  }

  // An embedding or head that MLX packed, in the type of its scales: trit times scale is exact in it.
  Result<FloatSource> open_mlx_rows(const std::string& name, MatrixShape shape) {
    constexpr std::string_view kEnding = ".weight";
    ROTOR_ASSIGN(MlxPackedTensor opened, find_mlx(name.substr(0, name.size() - kEnding.size()), shape));
    const FloatType type = *float_type(opened.scale_type());
    FloatSource source{name, type, shape.rows, shape.cols, nullptr};
    const auto read_rows = [set = set_, opened](size_t begin, size_t end, int8_t* trits) {
      return opened.read_rows(begin, end, trits, opened.cols());
    };
    const auto read_scales = [set = set_, opened](size_t begin, size_t end, float* scales) {
      return opened.read_scales(begin, end, scales);
    };
    source.reader = std::make_unique<TernaryRows>(type, shape.cols, opened.group(), read_rows, read_scales);
    return source;
  }

  Status open_head(ModelSource& out) {
    const ModelConfig& c = config_.model;
    const std::string name = hf_names::kHead;
    if (c.tied_head) {
      if (set_->find(name)) {
        used_.insert(name);
        out.notes.push_back("lm_head.weight is ignored: config.json ties the head to the embedding");
      }
      return {};
    }
    ROTOR_ASSIGN(FloatSource head, open_rows(name, {c.vocab, c.hidden}));
    ROTOR_ASSIGN(out.duplicate_head, same_rows(head, out.embed));
    if (out.duplicate_head) {
      out.config.tied_head = true;
      out.notes.push_back("repaired: lm_head.weight is a copy of the embedding and is not loaded");
      return {};
    }
    out.head = std::move(head);
    return {};
  }

  Result<LayerSource> open_layer(size_t index, ModelSource& out) {
    const ModelConfig& c = config_.model;
    LayerSource layer;
    for (size_t r = 0; r < kLinearRoles; ++r) {
      const LinearRole role = static_cast<LinearRole>(r);
      const MatrixShape shape = linear_shape(c, role);
      const std::string name = prefix_ + hf_names::linear(index, role);
      ROTOR_ASSIGN(layer.linear[r], open_matrices(index, role, out));
      if (c.input_norms) {
        ROTOR_ASSIGN(layer.linear[r].input_norm, read_vector(name + input_norm_, shape.cols));
      }
    }
    if (c.experts != 0) {
      ROTOR_ASSIGN(layer.router, open_rows(prefix_ + hf_names::router(index), {c.experts, c.hidden}));
    }
    for (const LayerNorm& norm : layer_norms(c)) {
      const std::string name = hf_names::layer_norm(*config_.family, index, norm.role);
      ROTOR_ASSIGN(layer.norm(norm.role), read_gains(prefix_ + name, norm.size));
    }
    return layer;
  }

  // A matrix, or those of all experts as one.
  Result<LinearSource> open_matrices(size_t layer, LinearRole role, ModelSource& out) {
    const std::vector<std::string> names = matrices_of(layer, role);
    MatrixShape shape = linear_shape(config_.model, role);
    if (names.size() == 1) {
      return open_linear(names[0], shape, out);
    }
    shape.rows /= names.size();
    std::vector<LinearSource> parts;
    for (const std::string& name : names) {
      ROTOR_ASSIGN(LinearSource part, open_linear(name, shape, out));
      parts.push_back(std::move(part));
    }
    return stack_linears(prefix_ + hf_names::linear(layer, role), std::move(parts));
  }

  Result<LinearSource> open_linear(const std::string& name, MatrixShape shape, ModelSource& out) {
    ROTOR_ASSIGN(const Entry entry, find(name + ".weight"));
    if (set_->find(name + ".bias")) {
      return unsupported(place(entry) + ": a linear layer with a bias is not supported");
    }
    if (entry.tensor->dtype == DType::kU8) {
      if (config_.quantization.online) {
        return format_error(place(entry) + ": packed U8 weights, but config.json says "
                            "quantization_mode online, which means float masters");
      }
      return open_packed(name, entry, shape, out);
    }
    if (config_.quantization.mlx_group != 0) {
      return open_mlx(name, shape);
    }
    return open_master_linear(entry, shape);
  }

  Result<MlxPackedTensor> find_mlx(const std::string& name, MatrixShape shape) {
    MlxTensors tensors;
    ROTOR_ASSIGN(tensors.weight, find(name + ".weight"));
    ROTOR_ASSIGN(tensors.scales, find(name + ".scales"));
    ROTOR_ASSIGN(tensors.biases, find(name + ".biases"));
    return MlxPackedTensor::open(tensors, shape.rows, shape.cols, config_.quantization.mlx_group);
  }

  Result<LinearSource> open_mlx(const std::string& name, MatrixShape shape) {
    ROTOR_ASSIGN(MlxPackedTensor opened, find_mlx(name, shape));
    const ReadScales read = [set = set_, opened](size_t begin, size_t end, float* scales) {
      return opened.read_scales(begin, end, scales);
    };
    const bool half = opened.scale_type() == DType::kF16;
    const GroupShape group{opened.group(), half ? GroupScaleType::kF16 : GroupScaleType::kF32};
    LinearSource source{name + ".weight", "mlx 2-bit", nullptr, {}};
    ROTOR_ASSIGN(source.scale, scale_of_groups(shape.rows, shape.cols, group, read));
    if (source.scale.grouped()) {
      source.group_scales = std::make_unique<FileGroupScales>(
          shape.rows, group.groups(shape.cols), 1.0f, read, set_->files()[0].file().path());
    }
    source.trits = std::make_unique<TensorTrits<MlxPackedTensor, SafetensorsSet>>(
        std::move(opened), set_);
    return source;
  }

  Result<LinearSource> open_packed(const std::string& name, const Entry& entry, MatrixShape shape,
                                   ModelSource& out) {
    ROTOR_ASSIGN(HfPackedTensor packed, HfPackedTensor::open(*entry.file, *entry.tensor,
                                                             shape.rows, shape.cols));
    ROTOR_ASSIGN(const Entry scale_entry, find(name + ".weight_scale"));
    ROTOR_ASSIGN(const FloatType type, check_float(scale_entry));
    const Shape& scale_shape = scale_entry.tensor->shape;
    if (!scale_shape.empty() && scale_shape != Shape{1}) {
      return format_error(place(scale_entry) + ": expected one value, got shape " +
                          shape_text(scale_shape));
    }
    ROTOR_ASSIGN(const std::vector<float> values, read_values(scale_entry, type, 1));
    if (!(values[0] > 0.0f)) {
      return format_error(place(scale_entry) + ": expected a scale above zero, got " +
                          std::to_string(values[0]));
    }
    const float multiplier =
        config_.quantization.scale_multiplies ? values[0] : 1.0f / values[0];
    if (!std::isfinite(multiplier)) {
      return format_error(place(scale_entry) + ": expected a scale with a finite inverse, got " +
                          std::to_string(values[0]));
    }
    if (!(multiplier >= 1e-4f && multiplier <= 10.0f)) {
      out.warnings.push_back("tensor '" + scale_entry.tensor->name + "': the weight scale " +
                             std::to_string(multiplier) +
                             " is unusual; is quantization_config.linear_class right?");
    }
    LinearSource source{entry.tensor->name, "hf packed u8", nullptr, {}};
    source.trits = std::make_unique<TensorTrits<HfPackedTensor, SafetensorsSet>>(
        std::move(packed), set_);
    source.scale.values = {multiplier};
    return source;
  }

  Result<LinearSource> open_master_linear(const Entry& entry, MatrixShape shape) {
    ROTOR_ASSIGN(const FloatType type, check_float(entry));
    ROTOR_TRY(check_shape(entry, {shape.rows, shape.cols}));
    const auto set = set_;
    const ReadBytes read = [set, entry](uint64_t offset, std::span<std::byte> out) {
      return entry.file->read(*entry.tensor, offset, out);
    };
    const std::string type_name(dtype_name(entry.tensor->dtype));
    if (float_matrices_) {
      LinearSource source{entry.tensor->name, type_name, nullptr, {}};
      source.floats = FloatSource{entry.tensor->name, type, shape.rows, shape.cols, nullptr};
      source.floats->reader =
          std::make_unique<TensorRows>(set_, entry, float_row_bytes(type, shape.cols));
      return source;
    }
    if (!config_.quantization.present) {
      Result<LinearSource> exact =
          exact_ternary_source(entry.tensor->name, type_name, place(entry), type, shape, read);
      if (!exact.ok() && exact.status().code() == Code::kUnsupported) {
        return ordinary_floats(exact.status());
      }
      return exact;
    }
    if (!config_.quantization.online) {
      return format_error(place(entry) + ": expected packed U8 weights, got " +
                          std::string(dtype_name(entry.tensor->dtype)) +
                          "; float masters need quantization_mode online in config.json");
    }
    ROTOR_ASSIGN(MasterMatrix matrix,
                 open_master(entry.tensor->name, type, shape.rows, shape.cols, read));
    LinearSource source{entry.tensor->name, type_name + " master", nullptr, {}};
    source.trits = std::move(matrix.trits);
    source.scale = std::move(matrix.scale);
    return source;
  }

  // Why floats are no trits, and what can be done.
  Status ordinary_floats(const Status& why) const {
    if (config_.model.float_activations) {
      return unsupported(why.message() + ". The model's first matrix holds nothing but trits and their "
                         "scales: a mixture of both is not supported");
    }
    return unsupported(why.message() + ". config.json has no quantization_config. If these are BitNet "
                       "masters, to be rounded as BitNet was trained, add " + kMasterConfig +
                       "; if another file of the model holds ternary weights, take that; if the model was "
                       "not trained to be ternary, rounding would ruin it");
  }

  Status report_unused(ModelSource& out) const {
    const std::string layers = prefix_ + hf_names::kLayers;
    UnusedTensors unused(layers, out.config.layers, "num_hidden_layers in config.json");
    for (const SafetensorsFile& file : set_->files()) {
      for (const SafetensorsTensor& tensor : file.tensors()) {
        if (!used_.contains(tensor.name)) {
          ROTOR_TRY(unused.add(tensor.name, file.file().path()));
        }
      }
    }
    unused.warn(out.warnings);
    return {};
  }

  std::shared_ptr<const SafetensorsSet> set_;
  HfConfig config_;
  std::string prefix_;      // of the names of all tensors but the head
  bool float_matrices_ = false;
  std::string input_norm_;  // what follows a matrix's name, where the config has input_norms
  std::set<std::string> used_;
};

Status open_generation_config(const fs::path& folder, ModelSource& out) {
  const fs::path file = folder / "generation_config.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return {};
  }
  ROTOR_ASSIGN(const std::string text, read_text_file(file.string(), kMaxJsonBytes));
  ROTOR_ASSIGN(out.generation_defaults,
               parse_generation_config(text, file.string(), out.end_of_generation));
  return {};
}

Status open_pooling_config(const fs::path& folder, ModelSource& out) {
  const fs::path file = folder / "1_Pooling" / "config.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    return {};
  }
  ROTOR_ASSIGN(const std::string text, read_text_file(file.string(), kMaxJsonBytes));
  ROTOR_ASSIGN(out.config.pooling, parse_pooling_config(text, file.string()));
  return {};
}

}  // namespace

Result<ModelSource> hf_source(const std::string& path) {
  std::error_code ignored;
  const fs::path folder =
      fs::is_directory(path, ignored) ? fs::path(path) : fs::path(path).parent_path();
  ModelSource source;
  source.path = path;
  source.container = "Hugging Face safetensors";
  const std::string config_path = (folder / "config.json").string();
  if (!fs::exists(config_path, ignored)) {
    return not_found(path + ": no config.json beside the weights; expected " + config_path);
  }
  ROTOR_ASSIGN(const std::string text, read_text_file(config_path, kMaxJsonBytes));
  ROTOR_ASSIGN(HfConfig config, parse_hf_config(text, config_path));
  source.end_of_generation = config.eos;
  ROTOR_ASSIGN(SafetensorsSet set, SafetensorsSet::open(path));
  Opener opener(std::make_shared<const SafetensorsSet>(std::move(set)), std::move(config));
  ROTOR_TRY(opener.open(source));
  ROTOR_TRY(open_generation_config(folder, source));
  ROTOR_TRY(open_pooling_config(folder, source));
  ROTOR_ASSIGN(TextSource text_source, read_hf_text(folder.string()));
  source.take_text(std::move(text_source));
  return source;
}

}  // namespace rotor
