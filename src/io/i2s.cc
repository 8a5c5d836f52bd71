// SPDX-License-Identifier: Apache-2.0
// The three arrangements of I2_S. Codes are packed over the flattened matrix, so a row may start
// and end within a block when its length is no multiple of the block.
#include "io/i2s.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iterator>
#include <new>
#include <vector>

#include "io/checked.h"
#include "io/codes.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr uint64_t kTailBytes = 32;
constexpr size_t kMaxBlock = 128;
constexpr std::string_view kNames[] = {"128", "64", "1x4"};

// Codes per block; a row group of k1x4 is not a block, but needs whole bytes.
uint64_t block_codes(I2sLayout layout) {
  return layout == I2sLayout::k128 ? 128 : layout == I2sLayout::k64 ? 64 : 4;
}

}  // namespace

std::optional<I2sLayout> parse_i2s_layout(std::string_view name) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  return found == std::end(kNames)
             ? std::nullopt
             : std::optional(static_cast<I2sLayout>(found - std::begin(kNames)));
}

std::string_view i2s_layout_name(I2sLayout layout) { return kNames[static_cast<size_t>(layout)]; }

Result<I2sTensor> I2sTensor::open(const GgufFile& file, const GgufTensor& tensor,
                                  I2sLayout layout) {
  const std::string where = fmt::format("{}: tensor {} at offset {}", file.file_of(tensor).path(),
                                        quote_name(tensor.name), tensor.offset);
  if (tensor.type != kGgufI2S || tensor.rank > 2) {
    return format_error(fmt::format("{}: expected a matrix of type I2_S, found {} dimensions of {}",
                                    where, tensor.rank, gguf_type_name(tensor.type)));
  }
  I2sTensor result;
  result.file_ = &file.file_of(tensor);
  result.name_ = tensor.name;
  result.offset_ = tensor.offset;
  result.cols_ = tensor.dims[0];
  result.rows_ = tensor.dims[1];
  result.layout_ = layout;
  const uint64_t bytes = tensor.elements / 4 + kTailBytes;
  const uint64_t padded = *checked_align_up(bytes, tensor.alignment);  // elements < 2^48
  if (tensor.elements % 4 != 0 || tensor.span < bytes || tensor.span > padded) {
    return format_error(
        fmt::format("{}: I2_S of {} elements has {} bytes, {} with padding, but "
                    "this tensor takes {}",
                    where, tensor.elements, bytes, padded, tensor.span));
  }
  const bool whole = layout == I2sLayout::k1x4 ? result.rows_ % 4 == 0
                                               : tensor.elements % block_codes(layout) == 0;
  if (!whole) {
    return unsupported(fmt::format("{}: {} x {} is no whole number of blocks of the I2_S layout {}",
                                   where, result.rows_, result.cols_, i2s_layout_name(layout)));
  }
  ROTOR_TRY(file.read(tensor, tensor.elements / 4,
                      std::as_writable_bytes(std::span(&result.multiplier_, 1))));
  if (!std::isfinite(result.multiplier_)) {
    return format_error(fmt::format("{}: the scale at offset {} is not finite", where,
                                    tensor.offset + tensor.elements / 4));
  }
  return result;
}

Status I2sTensor::check_codes(const uint8_t* packed, size_t bytes, uint64_t offset) const {
  const auto bad = find_code_3(packed, bytes);
  return !bad ? Status()
              : format_error(fmt::format("{}: tensor {}: byte {:#04x} at offset {} holds code 3, "
                                         "which is no ternary value",
                                         file_->path(), quote_name(name_), packed[*bad],
                                         offset + *bad));
}

Status I2sTensor::read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                            size_t stride) const try {
  return layout_ == I2sLayout::k1x4 ? read_row_groups(row_begin, row_end, trits, stride)
                                    : read_blocks(row_begin, row_end, trits, stride);
} catch (const std::bad_alloc&) {
  return out_of_memory(file_->path() + ": no memory to read rows of " + quote_name(name_));
}

// A block is decoded into `codes` and handed out to the rows it belongs to.
Status I2sTensor::read_blocks(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                              size_t stride) const {
  const uint64_t block = block_codes(layout_);
  const size_t quarter = static_cast<size_t>(block / 4);  // bytes of a block
  uint64_t element = row_begin * cols_;
  const uint64_t end = row_end * cols_;
  const uint64_t first_block = element / block;
  std::vector<uint8_t> packed((end + block - 1) / block * quarter - first_block * quarter);
  const uint64_t offset = offset_ + first_block * quarter;
  ROTOR_TRY(file_->read(offset, std::as_writable_bytes(std::span(packed))));
  ROTOR_TRY(check_codes(packed.data(), packed.size(), offset));

  std::array<int8_t, kMaxBlock> codes;
  for (const uint8_t* source = packed.data(); element < end; source += quarter) {
    for (size_t part = 0; part < 4; ++part) {
      unpack_codes(source, quarter, static_cast<unsigned>(6 - 2 * part),
                   codes.data() + part * quarter);
    }
    const uint64_t block_end = std::min(end, element / block * block + block);
    while (element < block_end) {
      const uint64_t row = element / cols_;
      const uint64_t count = std::min(block_end, (row + 1) * cols_) - element;
      std::copy_n(codes.data() + element % block, count,
                  trits + (row - row_begin) * stride + element % cols_);
      element += count;
    }
  }
  return Status();
}

Status I2sTensor::read_row_groups(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                                  size_t stride) const {
  std::vector<uint8_t> packed(static_cast<size_t>(cols_));
  for (uint64_t group = row_begin / 4; group * 4 < row_end; ++group) {
    const uint64_t offset = offset_ + group * cols_;
    ROTOR_TRY(file_->read(offset, std::as_writable_bytes(std::span(packed))));
    ROTOR_TRY(check_codes(packed.data(), packed.size(), offset));
    for (uint64_t row = std::max(row_begin, group * 4); row < std::min(row_end, group * 4 + 4);
         ++row) {
      unpack_codes(packed.data(), packed.size(), static_cast<unsigned>(6 - 2 * (row % 4)),
                   trits + (row - row_begin) * stride);
    }
  }
  return Status();
}

}  // namespace rotor
