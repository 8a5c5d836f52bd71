// SPDX-License-Identifier: Apache-2.0
// Maps the tensor names of bitnet GGUF files to roles. Types are decided by id and size; a matrix
// that is no ternary type is accepted only when its values are exactly {-d, 0, +d}.
#include "model/gguf_source.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include "io/gguf.h"
#include "io/gguf_types.h"
#include "io/i2s.h"
#include "io/quant_blocks.h"
#include "io/ternary_blocks.h"
#include "model/block_scales.h"
#include "model/gguf_config.h"
#include "model/master_reader.h"
#include "model/text_source.h"

namespace rotor {
namespace {

using SharedFile = std::shared_ptr<const GgufFile>;

constexpr std::array<const char*, kLinearRoles> kLinearNames = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

std::optional<FloatType> float_type(uint32_t type) {
  switch (type) {
    case kGgufF32: return FloatType::kF32;
    case kGgufF16: return FloatType::kF16;
    case kGgufBF16: return FloatType::kBf16;
    case kGgufQ8_0: return FloatType::kQ8_0;
    case kGgufQ6K: return FloatType::kQ6K;
    case kGgufQ4_0: return FloatType::kQ4_0;
    case kGgufQ4K: return FloatType::kQ4K;
    default: return std::nullopt;
  }
}

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
    ModelConfig& c = out.config;
    ROTOR_ASSIGN(out.embed, open_rows("token_embd.weight", c));
    ROTOR_TRY(open_head(out));
    ROTOR_ASSIGN(out.output_norm, read_vector("output_norm.weight", c.hidden));
    for (size_t i = 0; i < c.layers; ++i) {
      ROTOR_ASSIGN(LayerSource layer, open_layer(c, i));
      out.layers.push_back(std::move(layer));
    }
    if (i2s_tensors_ > 0) {
      out.notes.push_back("I2_S layout " + std::string(i2s_layout_name(options_.i2s_layout)) +
                          " (nothing in the file says which; choose with --i2s-layout)");
    }
    ROTOR_TRY(check_rotary_factors(c));
    return report_unused(out);
  }

 private:
  const std::string& path() const { return file_->file().path(); }
  std::string place(const GgufTensor& tensor) const {
    return path() + ": tensor '" + tensor.name + "' at byte " + std::to_string(tensor.offset);
  }

  // The tensor with dimensions (rows, cols), or (cols) when rows is 0.
  Result<const GgufTensor*> find(const std::string& name, size_t rows, size_t cols) {
    const GgufTensor* tensor = file_->find_tensor(name);
    if (tensor == nullptr) {
      return format_error(path() + ": tensor '" + name + "' is missing");
    }
    used_.insert(name);
    const std::array<uint64_t, 4> expected = {cols, rows == 0 ? 1 : rows, 1, 1};
    if (tensor->dims != expected) {
      return format_error(place(*tensor) + ": expected dimensions [" + std::to_string(cols) + ", " +
                          std::to_string(expected[1]) + "], got [" +
                          std::to_string(tensor->dims[0]) + ", " + std::to_string(tensor->dims[1]) +
                          ", " + std::to_string(tensor->dims[2]) + ", " +
                          std::to_string(tensor->dims[3]) + "]");
    }
    return tensor;
  }

  Result<std::vector<float>> read_vector(const std::string& name, size_t size) {
    ROTOR_ASSIGN(const GgufTensor* tensor, find(name, 0, size));
    const std::optional<FloatType> type = float_type(tensor->type);
    if (!type || !is_plain_float(*type)) {
      return unsupported(place(*tensor) + ": expected F32, F16 or BF16, got " +
                         gguf_type_name(tensor->type));
    }
    std::vector<std::byte> bytes(float_row_bytes(*type, size));
    ROTOR_TRY(file_->read(*tensor, 0, bytes));
    std::vector<float> values(size);
    switch (*type) {
      case FloatType::kF16: decode_f16_row(bytes.data(), size, values.data()); break;
      case FloatType::kBf16: decode_bf16_row(bytes.data(), size, values.data()); break;
      default: std::memcpy(values.data(), bytes.data(), bytes.size()); break;
    }
    const auto bad = std::find_if(values.begin(), values.end(),
                                  [](float value) { return !std::isfinite(value); });
    if (bad != values.end()) {
      return format_error(place(*tensor) + ": value " + std::to_string(bad - values.begin()) +
                          ": expected a finite number, got infinity or NaN");
    }
    return values;
  }

  Result<FloatSource> open_rows(const std::string& name, const ModelConfig& c) {
    ROTOR_ASSIGN(const GgufTensor* tensor, find(name, c.vocab, c.hidden));
    const std::optional<FloatType> type = float_type(tensor->type);
    if (!type || float_row_bytes(*type, c.hidden) == 0) {
      return unsupported(place(*tensor) + ": expected an embedding in F32, F16, BF16, Q8_0, Q6_K, "
                         "Q4_0 or Q4_K, got " + gguf_type_name(tensor->type));
    }
    FloatSource source{name, *type, c.vocab, c.hidden, nullptr};
    source.reader =
        std::make_unique<GgufRows>(file_, tensor, float_row_bytes(*type, c.hidden));
    return source;
  }

  // output.weight: absent (tied), a copy of the embedding (tied, with a note), or a head.
  Status open_head(ModelSource& out) {
    const std::string name = "output.weight";
    if (file_->find_tensor(name) == nullptr) {
      return {};
    }
    ROTOR_ASSIGN(FloatSource head, open_rows(name, out.config));
    ROTOR_ASSIGN(const bool copy, same_rows(head, out.embed));
    if (copy) {
      out.notes.push_back("repaired: output.weight is a copy of token_embd.weight and is not loaded");
      return {};
    }
    out.config.tied_head = false;
    out.head = std::move(head);
    return {};
  }

  Result<bool> same_rows(const FloatSource& a, const FloatSource& b) const {
    if (a.type != b.type) {
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

  Result<LayerSource> open_layer(const ModelConfig& c, size_t index) {
    const std::string prefix = "blk." + std::to_string(index) + ".";
    LayerSource layer;
    ROTOR_ASSIGN(layer.attn_norm, read_vector(prefix + "attn_norm.weight", c.hidden));
    ROTOR_ASSIGN(layer.attn_sub_norm, read_vector(prefix + "attn_sub_norm.weight", c.q_rows()));
    ROTOR_ASSIGN(layer.ffn_norm, read_vector(prefix + "ffn_norm.weight", c.hidden));
    ROTOR_ASSIGN(layer.ffn_sub_norm, read_vector(prefix + "ffn_sub_norm.weight", c.ffn));
    for (size_t role = 0; role < kLinearRoles; ++role) {
      const MatrixShape shape = linear_shape(c, static_cast<LinearRole>(role));
      ROTOR_ASSIGN(layer.linear[role], open_linear(prefix + kLinearNames[role], shape));
    }
    return layer;
  }

  Result<LinearSource> open_linear(const std::string& name, MatrixShape shape) {
    ROTOR_ASSIGN(const GgufTensor* tensor, find(name + ".weight", shape.rows, shape.cols));
    if (file_->find_tensor(name + ".bias") != nullptr) {
      return unsupported(place(*tensor) + ": a linear layer with a bias is not supported");
    }
    if (tensor->type == kGgufI2S) {
      return open_i2s(name, *tensor);
    }
    const std::optional<FloatType> type = float_type(tensor->type);
    if (type && is_plain_float(*type)) {
      return open_float(name, *tensor, *type, shape);
    }
    if (const auto block = find_ternary_block(*file_, *tensor)) {
      return open_blocks(name, *tensor, *block);
    }
    const bool tl = tensor->type == kGgufTL1 || tensor->type == kGgufTL2;
    return unsupported(place(*tensor) + ": type " + gguf_type_name(tensor->type) +
                       (tl ? " is tiled for one build of one program and does not say how; export "
                             "the model again as I2_S or from safetensors"
                           : " is not read; expected I2_S, a ternary type in blocks (TQ1_0, TQ2_0, "
                             "Q2_0, ...), or F32, F16 or BF16 holding only {-d, 0, +d}"));
  }

  Result<LinearSource> open_i2s(const std::string& name, const GgufTensor& tensor) {
    ++i2s_tensors_;
    ROTOR_ASSIGN(I2sTensor opened, I2sTensor::open(*file_, tensor, options_.i2s_layout));
    if (!(opened.multiplier() >= 0.0f)) {  // 0 is what a matrix of zeros gets; loading warns of it
      return format_error(place(tensor) + ": expected a scale of at least zero, got " +
                          std::to_string(opened.multiplier()));
    }
    if (opened.multiplier() == 0.0f) {
      ROTOR_TRY(check_all_zero(tensor, opened));
    }
    ROTOR_TRY(check_repeated_scale(name, opened.multiplier()));
    LinearSource source{tensor.name, "i2_s " + std::string(i2s_layout_name(options_.i2s_layout)),
                        nullptr, {}};
    source.scale.values = {opened.multiplier()};
    source.trits =
        std::make_unique<TensorTrits<I2sTensor, GgufFile>>(std::move(opened), file_);
    return source;
  }

  // Some converters repeat an I2_S tensor's scale in a tensor of its own, perhaps rounded to 16 bits.
  // Another value would mean that programs which multiply by it, and those which do not, disagree.
  Status check_repeated_scale(const std::string& name, float embedded) {
    constexpr float kHalfUnitOfBf16 = 0x1p-8f;
    if (file_->find_tensor(name + ".scale") == nullptr) {
      return {};
    }
    ROTOR_ASSIGN(const std::vector<float> repeated, read_vector(name + ".scale", 1));
    if (!(std::abs(repeated[0] - embedded) <= kHalfUnitOfBf16 * embedded)) {
      return format_error(path() + ": tensor '" + name + ".scale' is " +
                          std::to_string(repeated[0]) + ", but the scale in tensor '" + name +
                          ".weight' is " + std::to_string(embedded));
    }
    return {};
  }

  // A scale of 0 belongs to a matrix of zeros alone; beside other trits the scale is missing.
  Status check_all_zero(const GgufTensor& tensor, const I2sTensor& opened) const {
    std::vector<int8_t> row(opened.cols());
    for (uint64_t r = 0; r < opened.rows(); ++r) {
      ROTOR_TRY(opened.read_rows(r, r + 1, row.data(), row.size()));
      if (std::any_of(row.begin(), row.end(), [](int8_t trit) { return trit != 0; })) {
        return format_error(place(tensor) + ": expected a scale above zero, got 0 for a matrix "
                            "that is not zero");
      }
    }
    return {};
  }

  Result<LinearSource> open_float(const std::string& name, const GgufTensor& tensor, FloatType type,
                                  MatrixShape shape) {
    const SharedFile file = file_;
    const GgufTensor* from = &tensor;
    ROTOR_ASSIGN(MasterMatrix matrix,
                 open_exact_ternary(place(tensor), type, shape.rows, shape.cols,
                                    [file, from](uint64_t offset, std::span<std::byte> out) {
                                      return file->read(*from, offset, out);
                                    }));
    ROTOR_TRY(multiply_scale(name, matrix.scale));
    LinearSource source{tensor.name, gguf_type_name(tensor.type) + " holding trits", nullptr, {}};
    source.trits = std::move(matrix.trits);
    source.scale = std::move(matrix.scale);
    return source;
  }

  Result<LinearSource> open_blocks(const std::string& name, const GgufTensor& tensor,
                                   TernaryBlock block) {
    ROTOR_ASSIGN(TernaryBlockTensor opened, TernaryBlockTensor::open(*file_, tensor, block));
    LinearSource source{tensor.name, std::string(opened.info().name), nullptr, {}};
    ROTOR_ASSIGN(source.scale, scale_of_blocks(opened));
    if (source.scale.grouped()) {
      ROTOR_ASSIGN(const float factor, scale_factor(name));
      if (factor != 1.0f) {  // binary16 may not hold the products
        source.scale.group.type = GroupScaleType::kF32;
      }
      source.group_scales = std::make_unique<BlockGroupScales>(opened, factor, file_);
    }
    ROTOR_TRY(multiply_scale(name, source.scale));
    source.trits =
        std::make_unique<TensorTrits<TernaryBlockTensor, GgufFile>>(std::move(opened), file_);
    return source;
  }

  // A scale that the file keeps in a tensor of its own, beside what the matrix has.
  Status multiply_scale(const std::string& name, TernaryScale& scale) {
    ROTOR_ASSIGN(const float factor, scale_factor(name));
    for (float& value : scale.values) {
      const bool zero = value == 0.0f;  // of a row or matrix of zeros
      value *= factor;
      if (!std::isfinite(value) || (value == 0.0f && !zero)) {
        return bad_factor(name, factor);
      }
    }
    return {};
  }

  // 1 where there is none.
  Result<float> scale_factor(const std::string& name) {
    if (file_->find_tensor(name + ".scale") == nullptr) {
      return 1.0f;
    }
    ROTOR_ASSIGN(const std::vector<float> factor, read_vector(name + ".scale", 1));
    return factor[0] > 0.0f ? Result<float>(factor[0]) : bad_factor(name, factor[0]);
  }

  Status bad_factor(const std::string& name, float factor) const {
    return format_error(path() + ": tensor '" + name + ".scale': expected a finite scale above zero, "
                        "got " + std::to_string(factor));
  }

  // rope_freqs.weight divides the rotary frequencies; the decoder divides by 1.
  Status check_rotary_factors(const ModelConfig& c) {
    const std::string name = "rope_freqs.weight";
    if (file_->find_tensor(name) == nullptr) {
      return {};
    }
    ROTOR_ASSIGN(const std::vector<float> factors, read_vector(name, c.head_dim / 2));
    const auto other = std::find_if(factors.begin(), factors.end(),
                                    [](float factor) { return factor != 1.0f; });
    if (other != factors.end()) {
      return unsupported(path() + ": tensor '" + name + "', value " +
                         std::to_string(other - factors.begin()) + " is " +
                         std::to_string(*other) + ": rotary factors other than 1 are not supported");
    }
    return {};
  }

  Status report_unused(ModelSource& out) const {
    UnusedTensors unused("blk.", out.config.layers, "block_count");
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
  std::set<std::string> used_;
  size_t i2s_tensors_ = 0;
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
  ROTOR_ASSIGN(TextSource text, read_gguf_text(*shared));
  source.take_text(std::move(text));
  for (const std::string& key : shared->unread_replacements()) {
    source.warnings.push_back("nothing reads the overridden key '" + key + "'");
  }
  return source;
}

}  // namespace rotor
