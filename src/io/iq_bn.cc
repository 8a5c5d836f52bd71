// SPDX-License-Identifier: Apache-2.0
// Rows come in groups: of one row, or of four whose blocks are interleaved. A group is read whole.
#include "io/iq_bn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <new>
#include <span>
#include <vector>

#include "base/half.h"
#include "io/base3.h"
#include "io/checked.h"
#include "io/codes.h"
#include "io/quote_name.h"

namespace rotor {
namespace {

constexpr size_t kBlock = 64;  // elements
struct Kind {
  std::string_view name;
  uint32_t type;
  size_t block_bytes;  // of one row
};
constexpr Kind kKinds[] = {
    {"IQ1_BN", kGgufIQ1BN, 13}, {"IQ2_BN", kGgufIQ2BN, 16}, {"IQ2_BN_R4", kGgufIQ2BNR4, 16}};
const Kind& kind_of(IqBn kind) { return kKinds[static_cast<size_t>(kind)]; }

// 13 bytes: of each 16 elements 15 in three bytes, the first of five in the lowest digit; the 16th
// of each in the last byte, whose highest digit is 0. The first byte that is no such number, or 13.
size_t decode_iq1_block(const uint8_t* bytes, int8_t* trits) {
  constexpr size_t kLast = 12;
  for (size_t i = 0; i <= kLast; ++i) {
    const uint8_t number = kBase3Numbers[bytes[i]];
    if (number == kNoBase3Number || (i == kLast && number >= 81)) {
      return i;
    }
  }
  for (size_t sixteen = 0; sixteen < 4; ++sixteen) {
    for (size_t i = 0; i < 15; ++i) {
      *trits++ = base3_trit(bytes[3 * sixteen + i / 5], 4 - i % 5);
    }
    *trits++ = base3_trit(bytes[kLast], 4 - sixteen);
  }
  return kLast + 1;
}

}  // namespace

std::string_view iq_bn_name(IqBn kind) { return kind_of(kind).name; }

std::optional<IqBn> find_iq_bn(const GgufTensor& tensor) {
  const auto* const found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                         [&](const Kind& kind) { return kind.type == tensor.type; });
  return found == std::end(kKinds) ? std::nullopt
                                   : std::optional(static_cast<IqBn>(found - std::begin(kKinds)));
}

uint64_t IqBnTensor::group_bytes() const {
  return group_rows() * (scale_bytes() + cols_ / kBlock * kind_of(kind_).block_bytes);
}

Result<IqBnTensor> IqBnTensor::open(const GgufFile& file, const GgufTensor& tensor, IqBn kind) {
  IqBnTensor result;
  result.file_ = &file.file_of(tensor);
  result.name_ = tensor.name;
  result.offset_ = tensor.offset;
  result.cols_ = tensor.dims[0];
  result.rows_ = tensor.dims[1];
  result.kind_ = kind;
  const std::string where = fmt::format("{}: tensor {} at offset {}", file.file_of(tensor).path(),
                                        quote_name(tensor.name), tensor.offset);
  if (tensor.rank > 2 || result.cols_ % kBlock != 0 || result.rows_ % result.group_rows() != 0) {
    return format_error(fmt::format("{}: expected a matrix of {} whose rows are whole blocks of {}{}, "
                                    "found {} dimensions, {} rows, {} columns",
                                    where, iq_bn_name(kind), kBlock,
                                    result.group_rows() == 1 ? "" : ", in groups of 4 rows",
                                    tensor.rank, result.rows_, result.cols_));
  }
  // elements < 2^48, rows <= elements: below 2^52
  const uint64_t bytes = result.rows_ / result.group_rows() * result.group_bytes();
  if (tensor.span < bytes || tensor.span > *checked_align_up(bytes, tensor.alignment)) {
    return format_error(fmt::format("{}: {} of {} rows and {} columns with a scale for each row has {} "
                                    "bytes, but this tensor takes {}",
                                    where, iq_bn_name(kind), result.rows_, result.cols_, bytes,
                                    tensor.span));
  }
  return result;
}

float IqBnTensor::scale_of(const uint8_t* group, size_t row) const {
  if (kind_ == IqBn::kIQ1_BN) {
    uint16_t half;
    std::memcpy(&half, group, sizeof(half));
    return f16_to_float(half);
  }
  float scale;
  std::memcpy(&scale, group + row * sizeof(scale), sizeof(scale));
  return scale;
}

std::optional<size_t> IqBnTensor::decode_row(const uint8_t* group, size_t row, int8_t* trits) const {
  const size_t first = group_rows() * scale_bytes();
  const size_t block_bytes = kind_of(kind_).block_bytes;
  for (size_t block = 0; block < cols_ / kBlock; ++block, trits += kBlock) {
    const size_t at = first + block * group_rows() * block_bytes;
    if (kind_ == IqBn::kIQ1_BN) {
      const size_t bad = decode_iq1_block(group + at, trits);
      if (bad != block_bytes) {
        return at + bad;
      }
    } else if (kind_ == IqBn::kIQ2_BN) {
      for (unsigned part = 0; part < 4; ++part) {
        unpack_codes(group + at, 16, 2 * part, trits + 16 * part);
      }
      if (const auto bad = find_code_3(group + at, 16)) {
        return at + *bad;
      }
    } else {
      // Of 16 elements from 16 l on, byte i has those 4 apart from i on.
      for (size_t l = 0; l < 4; ++l) {
        const size_t four = at + 16 * l + 4 * row;
        for (unsigned part = 0; part < 4; ++part) {
          unpack_codes(group + four, 4, 2 * part, trits + 16 * l + 4 * part);
        }
        if (const auto bad = find_code_3(group + four, 4)) {
          return four + *bad;
        }
      }
    }
  }
  return std::nullopt;
}

Status IqBnTensor::read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                             size_t stride) const try {
  std::vector<uint8_t> group(group_bytes());
  for (uint64_t first = row_begin / group_rows() * group_rows(); first < row_end;
       first += group_rows()) {
    const uint64_t offset = offset_ + first / group_rows() * group.size();
    ROTOR_TRY(file_->read(offset, std::as_writable_bytes(std::span(group))));
    const uint64_t end = std::min(row_end, first + group_rows());
    for (uint64_t row = std::max(row_begin, first); row < end; ++row) {
      int8_t* const out = trits + (row - row_begin) * stride;
      if (const auto bad = decode_row(group.data(), row - first, out)) {
        return format_error(fmt::format("{}: tensor {}: byte {:#04x} at offset {} is no code of {}",
                                        file_->path(), quote_name(name_), group[*bad], offset + *bad,
                                        iq_bn_name(kind_)));
      }
      if (scale_of(group.data(), row - first) == 0.0f) {
        std::fill_n(out, cols_, 0);
      }
    }
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory(file_->path() + ": no memory to read rows of " + quote_name(name_));
}

Status IqBnTensor::read_scales(uint64_t row_begin, uint64_t row_end, float* scales) const {
  uint8_t head[16];
  for (uint64_t row = row_begin; row < row_end; ++row) {
    const uint64_t offset = offset_ + row / group_rows() * group_bytes();
    const size_t in_group = row % group_rows();
    ROTOR_TRY(file_->read(offset, std::as_writable_bytes(
                                      std::span(head).first(group_rows() * scale_bytes()))));
    const float scale = scale_of(head, in_group);
    if (!std::isfinite(scale) || scale < 0.0f) {
      return format_error(fmt::format("{}: tensor {}: the scale at offset {}: expected a finite number "
                                      "of at least 0, got {}",
                                      file_->path(), quote_name(name_),
                                      offset + in_group * scale_bytes(), scale));
    }
    *scales++ = scale;
  }
  return {};
}

}  // namespace rotor
