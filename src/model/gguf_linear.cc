// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "io/gguf_types.h"
#include "io/iq_bn.h"
#include "io/quant_blocks.h"
#include "io/ternary_blocks.h"
#include "model/block_scales.h"
#include "model/exact_ternary.h"
#include "model/ternary_rows.h"

namespace rotor {
namespace {

using SharedFile = std::shared_ptr<const GgufFile>;

class Opener {
 public:
  Opener(SharedFile file, const std::string& name, const GgufTensor& tensor)
      : file_(std::move(file)), name_(name), tensor_(tensor) {}

  Result<LinearSource> open(I2sLayout layout) const {
    if (tensor_.type == kGgufI2S) {
      return open_i2s(layout);
    }
    const std::optional<FloatType> type = gguf_float_type(tensor_.type);
    if (type && is_plain_float(*type)) {
      return open_float(*type);
    }
    if (const auto block = find_ternary_block(tensor_)) {
      return open_blocks(*block);
    }
    if (const auto kind = find_iq_bn(tensor_)) {
      return open_iq_bn(*kind);
    }
    return unsupported(place() + ": type " + gguf_type_name(tensor_.type) + why_not());
  }

 private:
  std::string place() const { return gguf_place(*file_, tensor_); }

  std::string why_not() const {
    constexpr uint32_t kFirstVlut = 40;
    constexpr uint32_t kLastVlut = 47;
    if (tensor_.type == kGgufTL1 || tensor_.type == kGgufTL2) {
      return " is tiled for one build of one program and does not say how; export the model again as "
             "I2_S or from safetensors";
    }
    if (tensor_.type >= kFirstVlut && tensor_.type <= kLastVlut) {
      return ": its " + std::to_string(tensor_.span) + " bytes are not those of the types under this "
             "id that describe themselves (TL2 and the types of vlut.cpp do not); export the model "
             "again as I2_S or TQ2_0, or from safetensors";
    }
    return " is not read; expected I2_S, a ternary type in blocks (TQ1_0, TQ2_0, Q2_0, ...), IQ1_BN or "
           "IQ2_BN, or F32, F16 or BF16 that hold nothing but trits times their scales";
  }

  Result<LinearSource> open_i2s(I2sLayout layout) const {
    ROTOR_ASSIGN(I2sTensor opened, I2sTensor::open(*file_, tensor_, layout));
    if (!(opened.multiplier() >= 0.0f)) {  // 0 is what a matrix of zeros gets; loading warns of it
      return format_error(place() + ": expected a scale of at least zero, got " +
                          std::to_string(opened.multiplier()));
    }
    if (opened.multiplier() == 0.0f) {
      ROTOR_TRY(check_all_zero(opened));
    }
    ROTOR_TRY(check_repeated_scale(opened.multiplier()));
    LinearSource source{tensor_.name, "i2_s " + std::string(i2s_layout_name(layout)), nullptr, {}};
    source.scale.values = {opened.multiplier()};
    source.trits =
        std::make_unique<TensorTrits<I2sTensor, GgufFile>>(std::move(opened), file_);
    return source;
  }

  // Some converters repeat an I2_S tensor's scale in a tensor of its own, perhaps rounded to 16
  // bits. Another value would mean that programs which multiply by it, and those which do not,
  // disagree.
  Status check_repeated_scale(float embedded) const {
    constexpr float kHalfUnitOfBf16 = 0x1p-8f;
    ROTOR_ASSIGN(const std::optional<float> repeated, stored_scale());
    if (repeated && !(std::abs(*repeated - embedded) <= kHalfUnitOfBf16 * embedded)) {
      return format_error(file_->file().path() + ": tensor '" + name_ + ".scale' is " +
                          std::to_string(*repeated) + ", but the scale in tensor '" + tensor_.name +
                          "' is " + std::to_string(embedded));
    }
    return {};
  }

  // A scale of 0 belongs to a matrix of zeros alone; beside other trits the scale is missing.
  Status check_all_zero(const I2sTensor& opened) const {
    std::vector<int8_t> row(opened.cols());
    for (uint64_t r = 0; r < opened.rows(); ++r) {
      ROTOR_TRY(opened.read_rows(r, r + 1, row.data(), row.size()));
      if (std::any_of(row.begin(), row.end(), [](int8_t trit) { return trit != 0; })) {
        return format_error(place() + ": expected a scale above zero, got 0 for a matrix that is not "
                            "zero");
      }
    }
    return {};
  }

  Result<LinearSource> open_float(FloatType type) const {
    const SharedFile file = file_;
    const GgufTensor* from = &tensor_;
    ROTOR_ASSIGN(LinearSource source,
                 exact_ternary_source(tensor_.name, gguf_type_name(tensor_.type), place(), type,
                                      {tensor_.dims[1], tensor_.dims[0]},
                                      [file, from](uint64_t offset, std::span<std::byte> out) {
                                        return file->read(*from, offset, out);
                                      }));
    ROTOR_ASSIGN(const float factor, scale_factor());
    if (source.scale.grouped() && factor != 1.0f) {
      return unsupported(place() + ": a tensor '" + name_ + ".scale' beside floats with scales of groups "
                         "is not supported");
    }
    ROTOR_TRY(multiply_scale(source.scale));
    return source;
  }

  Result<LinearSource> open_blocks(TernaryBlock block) const {
    ROTOR_ASSIGN(TernaryBlockTensor opened, TernaryBlockTensor::open(*file_, tensor_, block));
    LinearSource source{tensor_.name, std::string(opened.info().name), nullptr, {}};
    const ReadScales read = [file = file_, opened](size_t begin, size_t end, float* scales) {
      return opened.read_scales(begin, end, scales);
    };
    ROTOR_ASSIGN(source.scale, scale_of_groups(opened.rows(), opened.cols(),
                                               {opened.info().elements, GroupScaleType::kF16}, read));
    if (source.scale.grouped()) {
      ROTOR_ASSIGN(const float factor, scale_factor());
      if (factor != 1.0f) {  // binary16 may not hold the products
        source.scale.group.type = GroupScaleType::kF32;
      }
      source.group_scales = std::make_unique<FileGroupScales>(
          opened.rows(), opened.cols() / opened.info().elements, factor, read,
          file_->file_of(tensor_).path());
    }
    ROTOR_TRY(multiply_scale(source.scale));
    source.trits =
        std::make_unique<TensorTrits<TernaryBlockTensor, GgufFile>>(std::move(opened), file_);
    return source;
  }

  Result<LinearSource> open_iq_bn(IqBn kind) const {
    ROTOR_ASSIGN(IqBnTensor opened, IqBnTensor::open(*file_, tensor_, kind));
    LinearSource source{tensor_.name, std::string(iq_bn_name(kind)), nullptr, {}};
    std::vector<float> scales(opened.rows());
    ROTOR_TRY(opened.read_scales(0, opened.rows(), scales.data()));
    source.scale = scale_of_rows(std::move(scales));
    ROTOR_TRY(multiply_scale(source.scale));
    source.trits = std::make_unique<TensorTrits<IqBnTensor, GgufFile>>(std::move(opened), file_);
    return source;
  }

  // A scale that the file keeps in a tensor of its own, beside what the matrix has.
  Status multiply_scale(TernaryScale& scale) const {
    ROTOR_ASSIGN(const float factor, scale_factor());
    for (float& value : scale.values) {
      const bool zero = value == 0.0f;  // of a row or matrix of zeros
      value *= factor;
      if (!std::isfinite(value) || (value == 0.0f && !zero)) {
        return bad_factor(factor);
      }
    }
    return {};
  }

  // 1 where there is none.
  Result<float> scale_factor() const {
    ROTOR_ASSIGN(const std::optional<float> factor, stored_scale());
    return !factor ? 1.0f : *factor > 0.0f ? Result<float>(*factor) : bad_factor(*factor);
  }

  Result<std::optional<float>> stored_scale() const {
    const GgufTensor* const tensor = file_->find_tensor(name_ + ".scale");
    if (tensor == nullptr) {
      return std::optional<float>();
    }
    if (tensor->elements != 1) {
      return format_error(gguf_place(*file_, *tensor) + ": expected one value, got " +
                          std::to_string(tensor->elements));
    }
    ROTOR_ASSIGN(const std::vector<float> values, read_gguf_floats(*file_, *tensor));
    return std::optional(values[0]);
  }

  Status bad_factor(float factor) const {
    return format_error(file_->file().path() + ": tensor '" + name_ + ".scale': expected a finite "
                        "scale above zero, got " + std::to_string(factor));
  }

  SharedFile file_;
  const std::string& name_;
  const GgufTensor& tensor_;
};

}  // namespace

std::string gguf_place(const GgufFile& file, const GgufTensor& tensor) {
  return file.file_of(tensor).path() + ": tensor '" + tensor.name + "' at byte " +
         std::to_string(tensor.offset);
}

std::optional<FloatType> gguf_float_type(uint32_t type) {
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

Result<std::vector<float>> read_gguf_floats(const GgufFile& file, const GgufTensor& tensor) {
  const std::optional<FloatType> type = gguf_float_type(tensor.type);
  if (!type || !is_plain_float(*type)) {
    return unsupported(gguf_place(file, tensor) + ": expected F32, F16 or BF16, got " +
                       gguf_type_name(tensor.type));
  }
  const size_t size = tensor.elements;
  std::vector<std::byte> bytes(float_row_bytes(*type, size));
  ROTOR_TRY(file.read(tensor, 0, bytes));
  std::vector<float> values(size);
  switch (*type) {
    case FloatType::kF16: decode_f16_row(bytes.data(), size, values.data()); break;
    case FloatType::kBf16: decode_bf16_row(bytes.data(), size, values.data()); break;
    default: std::memcpy(values.data(), bytes.data(), bytes.size()); break;
  }
  const auto bad = std::find_if(values.begin(), values.end(),
                                [](float value) { return !std::isfinite(value); });
  if (bad != values.end()) {
    return format_error(gguf_place(file, tensor) + ": value " +
                        std::to_string(bad - values.begin()) +
                        ": expected a finite number, got infinity or NaN");
  }
  return values;
}

Result<LinearSource> open_gguf_linear(const std::shared_ptr<const GgufFile>& file,
                                      const std::string& name, const GgufTensor& tensor,
                                      I2sLayout layout) {
  return Opener(file, name, tensor).open(layout);
}

Result<std::unique_ptr<FloatReader>> open_gguf_ternary_rows(
    const std::shared_ptr<const GgufFile>& file, const GgufTensor& tensor) {
  const auto block = find_ternary_block(tensor);
  if (!block) {
    return std::unique_ptr<FloatReader>();
  }
  ROTOR_ASSIGN(const TernaryBlockTensor opened, TernaryBlockTensor::open(*file, tensor, *block));
  const auto read_rows = [file, opened](size_t begin, size_t end, int8_t* trits) {
    return opened.read_rows(begin, end, trits, opened.cols());
  };
  const auto read_scales = [file, opened](size_t begin, size_t end, float* scales) {
    return opened.read_scales(begin, end, scales);
  };
  return std::unique_ptr<FloatReader>(std::make_unique<TernaryRows>(
      FloatType::kF16, opened.cols(), opened.info().elements, read_rows, read_scales));
}

}  // namespace rotor
