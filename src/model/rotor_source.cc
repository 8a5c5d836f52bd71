// SPDX-License-Identifier: Apache-2.0
// Checks every tensor of a .rotor file against its config. Ternary matrices stay packed in base 3
// until the loader repacks them, row block by row block.
#include "model/rotor_source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "base/half.h"
#include "model/rotor_config.h"
#include "model/rotor_names.h"
#include "model/text_source.h"

namespace rotor {
namespace {

constexpr TernaryFormat kStored = TernaryFormat::kDense243;

using SharedFile = std::shared_ptr<const SafetensorsFile>;
using Shape = std::vector<uint64_t>;

class RotorRows final : public FloatReader {
 public:
  RotorRows(SharedFile file, const SafetensorsTensor* tensor, size_t row_bytes)
      : file_(std::move(file)), tensor_(tensor), row_bytes_(row_bytes) {}
  Status read(size_t begin, size_t end, std::byte* out) const override {
    return file_->read(*tensor_, begin * row_bytes_, {out, (end - begin) * row_bytes_});
  }

 private:
  SharedFile file_;
  const SafetensorsTensor* tensor_;
  size_t row_bytes_;
};

class RotorTrits final : public TritReader {
 public:
  RotorTrits(SharedFile file, const SafetensorsTensor* tensor, size_t rows, size_t cols)
      : TritReader(rows, cols), file_(std::move(file)), tensor_(tensor) {}

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    return for_each_block(begin, end, [&](size_t i, const uint8_t* packed) {
      format_info(kStored).unpack_row_block(packed, cols(), trits + i * kTileRows * cols(), cols());
    });
  }

  Status pack(size_t begin, size_t end, TernaryFormat format, uint8_t* out) const override {
    const size_t bytes = row_block_bytes(format, cols());
    return for_each_block(begin, end, [&](size_t i, const uint8_t* packed) {
      repack_row_block(kStored, packed, format, cols(), out + i * bytes);
    });
  }

 private:
  template <typename Use>
  Status for_each_block(size_t begin, size_t end, Use use) const {
    const size_t bytes = row_block_bytes(kStored, cols());
    std::vector<std::byte> packed((end - begin) * bytes);
    ROTOR_TRY(file_->read(*tensor_, begin * bytes, packed));
    const auto* data = reinterpret_cast<const uint8_t*>(packed.data());
    const std::optional<size_t> bad = format_info(kStored).find_invalid(data, packed.size());
    if (bad) {
      return format_error(file_->file().path() + ": tensor '" + tensor_->name + "', byte " +
                          std::to_string(begin * bytes + *bad) + ": expected 0..242, got " +
                          std::to_string(data[*bad]));
    }
    for (size_t i = 0; i < end - begin; ++i) {
      use(i, data + i * bytes);
    }
    return {};
  }

  SharedFile file_;
  const SafetensorsTensor* tensor_;
};

// (rows, groups) of binary16 or binary32.
class RotorGroupScales final : public GroupScaleReader {
 public:
  RotorGroupScales(SharedFile file, const SafetensorsTensor* tensor, GroupScaleType type)
      : file_(std::move(file)), tensor_(tensor), type_(type) {}

  Status read(size_t begin, size_t end, float* scales) const override {
    const size_t rows = tensor_->shape[0];
    const size_t groups = tensor_->shape[1];
    const size_t first = begin * kTileRows * groups;
    const size_t count = std::min(end * kTileRows, rows) * groups - first;
    const size_t item = group_scale_type_bytes(type_);
    std::vector<std::byte> bytes(count * item);
    ROTOR_TRY(file_->read(*tensor_, first * item, bytes));
    for (size_t i = 0; i < count; ++i) {
      scales[i] = value_at(bytes.data() + i * item);
      if (!std::isfinite(scales[i])) {
        return format_error(file_->file().path() + ": tensor '" + tensor_->name + "', byte " +
                            std::to_string((first + i) * item) +
                            ": expected a finite number, got infinity or NaN");
      }
    }
    std::fill(scales + count, scales + (end - begin) * kTileRows * groups, 0.0f);
    return {};
  }

 private:
  float value_at(const std::byte* bytes) const {
    float value = 0;
    uint16_t half = 0;
    if (type_ == GroupScaleType::kF32) {
      std::memcpy(&value, bytes, sizeof(value));
      return value;
    }
    std::memcpy(&half, bytes, sizeof(half));
    return f16_to_float(half);
  }

  SharedFile file_;
  const SafetensorsTensor* tensor_;
  GroupScaleType type_;
};

class Opener {
 public:
  explicit Opener(SharedFile file) : file_(std::move(file)) {}

  Status open(ModelSource& out) {
    ROTOR_TRY(check_version());
    ROTOR_ASSIGN(const std::string text, read_config());
    ROTOR_ASSIGN(const RotorConfig config, parse_rotor_config(text, path() + ": tensor 'config'"));
    const ModelConfig& c = config.model;
    out.config = c;
    out.notes = config.notes;
    out.end_of_generation = config.end_of_generation;
    out.generation_defaults = config.generation_defaults;
    ROTOR_ASSIGN(out.embed, open_rows(rotor_names::kEmbed, config.embed_type, c.vocab, c.hidden));
    if (!c.tied_head) {
      ROTOR_ASSIGN(FloatSource head, open_rows(rotor_names::kHead, config.head_type, c.vocab, c.hidden));
      out.head = std::move(head);
    }
    ROTOR_ASSIGN(out.output_norm, read_vector(rotor_names::kOutputNorm, c.hidden));
    for (size_t i = 0; i < c.layers; ++i) {
      ROTOR_ASSIGN(LayerSource layer, open_layer(c, i));
      out.layers.push_back(std::move(layer));
    }
    for (const SafetensorsTensor& tensor : file_->tensors()) {
      ROTOR_TRY(check_layer(tensor.name, "layers.", c.layers, path(), "num_hidden_layers"));
    }
    return open_text(out);
  }

 private:
  const std::string& path() const { return file_->file().path(); }
  std::string place(const SafetensorsTensor& tensor) const {
    return path() + ": tensor '" + tensor.name + "' at byte " + std::to_string(tensor.offset);
  }

  Status check_version() const {
    const auto found = file_->metadata().find(rotor_names::kVersionKey);
    if (found == file_->metadata().end()) {
      return format_error(path() + ": the metadata has no " + rotor_names::kVersionKey +
                          "; expected a file that `rotor convert` wrote");
    }
    if (found->second != rotor_names::kVersion) {
      return unsupported(path() + ": rotor.version: this program reads version " +
                         rotor_names::kVersion + ", the file says '" + found->second + "'");
    }
    return {};
  }

  Result<const SafetensorsTensor*> find(const std::string& name, DType dtype, const Shape& shape) {
    const SafetensorsTensor* tensor = file_->find(name);
    if (tensor == nullptr) {
      return format_error(path() + ": tensor '" + name + "' is missing");
    }
    if (tensor->dtype != dtype || tensor->shape != shape) {
      return format_error(place(*tensor) + ": expected " + std::string(dtype_name(dtype)) + " " +
                          shape_text(shape) + ", got " + std::string(dtype_name(tensor->dtype)) +
                          " " + shape_text(tensor->shape));
    }
    return tensor;
  }

  Result<FloatSource> open_rows(const std::string& name, FloatType type, size_t rows, size_t cols) {
    const size_t row_bytes = float_row_bytes(type, cols);
    if (row_bytes == 0) {
      return format_error(path() + ": tensor '" + name + "': rows of " + std::to_string(cols) +
                          " values are no whole blocks of " + std::string(float_type_name(type)));
    }
    DType dtype = DType::kU8;
    Shape shape = {rows, row_bytes};
    if (type == FloatType::kF32 || type == FloatType::kF16 || type == FloatType::kBf16) {
      dtype = type == FloatType::kF32 ? DType::kF32
              : type == FloatType::kF16 ? DType::kF16 : DType::kBF16;
      shape = {rows, cols};
    }
    ROTOR_ASSIGN(const SafetensorsTensor* tensor, find(name, dtype, shape));
    FloatSource source{name, type, rows, cols, nullptr};
    source.reader = std::make_unique<RotorRows>(file_, tensor, row_bytes);
    return source;
  }

  Result<std::vector<float>> read_vector(const std::string& name, size_t size) {
    ROTOR_ASSIGN(const SafetensorsTensor* tensor, find(name, DType::kF32, {size}));
    std::vector<float> values(size);
    ROTOR_TRY(file_->read(*tensor, 0, std::as_writable_bytes(std::span(values))));
    for (size_t i = 0; i < size; ++i) {
      if (!std::isfinite(values[i])) {
        return format_error(place(*tensor) + ": value " + std::to_string(i) +
                            ": expected a finite number, got infinity or NaN");
      }
    }
    return values;
  }

  Result<LayerSource> open_layer(const ModelConfig& c, size_t index) {
    LayerSource layer;
    for (const LayerNorm& norm : layer_norms(c)) {
      ROTOR_ASSIGN(layer.norm(norm.role),
                   read_vector(rotor_names::layer_norm(index, norm.role), norm.size));
    }
    for (size_t i = 0; i < kLinearRoles; ++i) {
      const LinearRole role = static_cast<LinearRole>(i);
      ROTOR_ASSIGN(layer.linear[i], open_linear(c, index, role));
    }
    if (c.experts != 0) {
      ROTOR_ASSIGN(layer.router, open_router(c, index));
    }
    return layer;
  }

  // Its type is the tensor's own.
  Result<FloatSource> open_router(const ModelConfig& c, size_t index) {
    const std::string name = rotor_names::router(index);
    const SafetensorsTensor* tensor = file_->find(name);
    const bool f16 = tensor != nullptr && tensor->dtype == DType::kF16;
    const bool bf16 = tensor != nullptr && tensor->dtype == DType::kBF16;
    return open_rows(name, f16 ? FloatType::kF16 : bf16 ? FloatType::kBf16 : FloatType::kF32, c.experts,
                     c.hidden);
  }

  Result<LinearSource> open_linear(const ModelConfig& c, size_t index, LinearRole role) {
    const MatrixShape shape = linear_shape(c, role);
    const std::string name = rotor_names::linear(index, role, "weight");
    ROTOR_ASSIGN(const SafetensorsTensor* tensor,
                 find(name, DType::kU8,
                      {row_blocks(shape.rows), row_block_bytes(kStored, shape.cols)}));
    LinearSource source{name, "dense243", nullptr, {}};
    source.trits = std::make_unique<RotorTrits>(file_, tensor, shape.rows, shape.cols);
    if (c.input_norms) {
      ROTOR_ASSIGN(source.input_norm,
                   read_vector(rotor_names::linear(index, role, "input_norm"), shape.cols));
    }
    const std::string scale_name = rotor_names::linear(index, role, "scale");
    const SafetensorsTensor* scale = file_->find(scale_name);
    if (scale != nullptr && scale->shape.size() == 2) {
      ROTOR_TRY(open_group_scales(*scale, shape, source));
      return source;
    }
    const bool per_row = scale != nullptr && scale->shape == Shape{shape.rows} && shape.rows != 1;
    source.scale.granularity =
        per_row ? TernaryScale::Granularity::kRow : TernaryScale::Granularity::kTensor;
    ROTOR_ASSIGN(source.scale.values, read_vector(scale_name, per_row ? shape.rows : 1));
    return source;
  }

  // The shape tells the size of a group.
  Status open_group_scales(const SafetensorsTensor& tensor, MatrixShape shape, LinearSource& out) {
    const uint64_t groups = tensor.shape[1];
    const size_t cols = groups <= shape.cols ? group_cols_of(shape.cols, groups).value_or(0) : 0;
    const bool f16 = tensor.dtype == DType::kF16;
    if (tensor.shape[0] != shape.rows || cols == 0 || (!f16 && tensor.dtype != DType::kF32)) {
      return format_error(place(tensor) + ": expected F16 or F32 [" + std::to_string(shape.rows) +
                          ", groups of 64, 128 or 256 of " + std::to_string(shape.cols) +
                          " columns], got " + std::string(dtype_name(tensor.dtype)) + " " +
                          shape_text(tensor.shape));
    }
    out.scale.granularity = TernaryScale::Granularity::kGroup;
    out.scale.group = {cols, f16 ? GroupScaleType::kF16 : GroupScaleType::kF32};
    out.group_scales = std::make_unique<RotorGroupScales>(file_, &tensor, out.scale.group.type);
    return {};
  }

  Result<std::string> read_config() {
    const SafetensorsTensor* tensor = file_->find(rotor_names::kConfig);
    if (tensor == nullptr || tensor->dtype != DType::kU8 || tensor->bytes > kMaxRotorConfigBytes) {
      return format_error(path() + ": tensor 'config': expected U8 text of at most " +
                          std::to_string(kMaxRotorConfigBytes) + " bytes, got " +
                          (tensor == nullptr ? "nothing" : std::string(dtype_name(tensor->dtype)) +
                                                               " " + shape_text(tensor->shape)));
    }
    std::string text(tensor->bytes, '\0');
    ROTOR_TRY(file_->read(*tensor, 0, std::as_writable_bytes(std::span(text))));
    return text;
  }

  Status open_text(ModelSource& out) {
    ROTOR_ASSIGN(TextSource text, read_rotor_text(*file_));
    out.take_text(std::move(text));
    return {};
  }

  SharedFile file_;
};

}  // namespace

Result<ModelSource> rotor_source(const std::string& path) {
  ROTOR_ASSIGN(SafetensorsFile file, SafetensorsFile::open(path));
  return rotor_source(std::move(file));
}

Result<ModelSource> rotor_source(SafetensorsFile file) {
  ModelSource source;
  source.path = file.file().path();
  source.container = "rotor";
  Opener opener(std::make_shared<const SafetensorsFile>(std::move(file)));
  ROTOR_TRY(opener.open(source));
  return source;
}

}  // namespace rotor
