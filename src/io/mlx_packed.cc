// SPDX-License-Identifier: Apache-2.0
#include "io/mlx_packed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <span>
#include <vector>

#include "base/half.h"
#include "io/codes.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

std::string place(const SafetensorsSet::Entry& entry) {
  return fmt::format("{}: tensor {}", entry.file->file().path(), quote_name(entry.tensor->name));
}

size_t item_bytes(DType type) { return type == DType::kF32 ? 4 : 2; }

float value_at(DType type, const std::byte* at) {
  if (type == DType::kF32) {
    float value;
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  uint16_t half;
  std::memcpy(&half, at, sizeof(half));
  return type == DType::kF16 ? f16_to_float(half) : bf16_to_float(half);
}

Status check(const SafetensorsSet::Entry& entry, bool type_fits, const std::vector<uint64_t>& shape,
             std::string_view types) {
  if (type_fits && entry.tensor->shape == shape) {
    return {};
  }
  return format_error(fmt::format("{} at offset {}: expected {} of shape {}, found {} of shape {}",
                                  place(entry), entry.tensor->offset, types, shape_text(shape),
                                  dtype_name(entry.tensor->dtype), shape_text(entry.tensor->shape)));
}

}  // namespace

Result<MlxPackedTensor> MlxPackedTensor::open(const MlxTensors& tensors, uint64_t rows,
                                              uint64_t cols, uint64_t group) {
  if (cols % group != 0) {
    return format_error(fmt::format("{}: rows of {} columns are no whole groups of {}",
                                    place(tensors.weight), cols, group));
  }
  const DType scale_type = tensors.scales.tensor->dtype;
  const bool is_float =
      scale_type == DType::kF16 || scale_type == DType::kBF16 || scale_type == DType::kF32;
  ROTOR_TRY(check(tensors.weight, tensors.weight.tensor->dtype == DType::kU32, {rows, cols / 16},
                  "16 codes of 2 bits in each U32"));
  ROTOR_TRY(check(tensors.scales, is_float, {rows, cols / group}, "F16, BF16 or F32"));
  ROTOR_TRY(check(tensors.biases, tensors.biases.tensor->dtype == scale_type, {rows, cols / group},
                  dtype_name(scale_type)));
  MlxPackedTensor result;
  result.tensors_ = tensors;
  result.rows_ = rows;
  result.cols_ = cols;
  result.group_ = group;
  return result;
}

Status MlxPackedTensor::read_signed_scales(uint64_t row, float* scales) const {
  const SafetensorsTensor& from = *tensors_.scales.tensor;
  const size_t item = item_bytes(from.dtype);
  std::vector<std::byte> scale_bytes(groups() * item);
  std::vector<std::byte> bias_bytes(groups() * item);
  ROTOR_TRY(tensors_.scales.file->read(from, row * scale_bytes.size(), scale_bytes));
  ROTOR_TRY(tensors_.biases.file->read(*tensors_.biases.tensor, row * bias_bytes.size(), bias_bytes));
  for (size_t g = 0; g < groups(); ++g) {
    const float scale = value_at(from.dtype, scale_bytes.data() + g * item);
    const float bias = value_at(from.dtype, bias_bytes.data() + g * item);
    const uint64_t at = row * scale_bytes.size() + g * item;
    if (!std::isfinite(scale)) {
      return format_error(fmt::format("{}: the scale at offset {} is not finite",
                                      place(tensors_.scales), from.offset + at));
    }
    if (bias != -scale) {
      return unsupported(fmt::format("{}: the bias at offset {} is {}, not the negative of its scale, {}: "
                                     "the matrix is not ternary",
                                     place(tensors_.biases), tensors_.biases.tensor->offset + at,
                                     bias, scale));
    }
    scales[g] = scale;
  }
  return {};
}

Status MlxPackedTensor::read_scales(uint64_t row_begin, uint64_t row_end, float* scales) const try {
  for (uint64_t row = row_begin; row < row_end; ++row, scales += groups()) {
    ROTOR_TRY(read_signed_scales(row, scales));
    std::transform(scales, scales + groups(), scales, [](float scale) { return std::fabs(scale); });
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory to read scales of " + place(tensors_.scales));
}

Status MlxPackedTensor::read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                                  size_t stride) const try {
  std::vector<uint8_t> packed(cols_ / 4);
  std::vector<float> scales(groups());
  for (uint64_t row = row_begin; row < row_end; ++row) {
    const uint64_t at = row * packed.size();
    ROTOR_TRY(tensors_.weight.file->read(*tensors_.weight.tensor, at,
                                         std::as_writable_bytes(std::span(packed))));
    if (const auto bad = find_code_3(packed.data(), packed.size())) {
      return unsupported(fmt::format("{}: byte {:#04x} at offset {} holds code 3: the matrix is not "
                                     "ternary",
                                     place(tensors_.weight), packed[*bad],
                                     tensors_.weight.tensor->offset + at + *bad));
    }
    ROTOR_TRY(read_signed_scales(row, scales.data()));
    int8_t* const out = trits + (row - row_begin) * stride;
    for (size_t i = 0; i < cols_; ++i) {
      const int trit = ((packed[i / 4] >> (2 * (i % 4))) & 3) - 1;
      const float scale = scales[i / group_];
      out[i] = static_cast<int8_t>(scale == 0.0f ? 0 : scale < 0.0f ? -trit : trit);
    }
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory to read rows of " + place(tensors_.weight));
}

}  // namespace rotor
