// SPDX-License-Identifier: Apache-2.0
// Two codecs: 2-bit codes t + 1, and base-3 numbers of five digits as fractions of 256, whose digits come
// off the top by multiplying with 3. A decoder returns the first byte of a block that is not one of its
// codes, or the block's size.
#include "io/ternary_blocks.h"

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

constexpr TernaryBlockInfo kBlocks[] = {
    {"TQ1_0", kGgufTQ1_0, 256, 54, 52},   {"TQ2_0", kGgufTQ2_0, 256, 66, 64},
    {"Q1_0", kGgufQ1_0, 128, 18, 0},      {"Q2_0 g64", kGgufQ2_0, 64, 18, 0},
    {"Q2_0 g128", kGgufQ2_0, 128, 34, 0}, {"PQ2_0", kGgufPQ2_0, 128, 34, 0},
    {"PTQ1_0", kGgufPTQ1_0, 128, 28, 26},
};

// `count` bytes of `digits` digits: digit n of byte m is element n * count + m.
struct Run {
  size_t count;
  size_t digits;
};

// The bytes of a block that holds `runs`, one after the other.
template <size_t kRuns>
size_t decode_base3(const uint8_t* bytes, const Run (&runs)[kRuns], int8_t* trits) {
  size_t at = 0;
  for (const Run& run : runs) {
    for (size_t m = 0; m < run.count; ++m) {
      const uint8_t number = kBase3Numbers[bytes[at + m]];
      // The last digit of a byte of four stands for nothing and is 0.
      if (number == kNoBase3Number || (run.digits == 4 && number % 3 != 0)) {
        return at + m;
      }
    }
    for (size_t n = 0; n < run.digits; ++n) {
      for (size_t m = 0; m < run.count; ++m) {
        *trits++ = base3_trit(bytes[at + m], n);
      }
    }
    at += run.count;
  }
  return at;
}

// `bytes` bytes of four codes, the first in the lowest bits, of neighbouring elements or of such that are
// `bytes` apart.
size_t decode_neighbours(const uint8_t* packed, size_t bytes, int8_t* trits) {
  for (size_t i = 0; i < 4 * bytes; ++i) {
    trits[i] = static_cast<int8_t>(((packed[i / 4] >> (2 * (i % 4))) & 3) - 1);
  }
  return find_code_3(packed, bytes).value_or(bytes);
}
size_t decode_quarters(const uint8_t* packed, size_t bytes, int8_t* trits) {
  for (unsigned part = 0; part < 4; ++part) {
    unpack_codes(packed, bytes, 2 * part, trits + part * bytes);
  }
  return find_code_3(packed, bytes).value_or(bytes);
}

size_t decode_block(TernaryBlock block, const uint8_t* bytes, int8_t* trits) {
  constexpr size_t kScale = sizeof(uint16_t);
  const TernaryBlockInfo& info = ternary_block_info(block);
  switch (block) {
    case TernaryBlock::kTQ1_0: {
      const size_t end = decode_base3(bytes, {{32, 5}, {16, 5}, {4, 4}}, trits);
      return end == info.scale_at ? info.bytes : end;
    }
    case TernaryBlock::kPTQ1_0: {
      const size_t end = decode_base3(bytes, {{16, 5}, {8, 5}, {2, 4}}, trits);
      return end == info.scale_at ? info.bytes : end;
    }
    case TernaryBlock::kTQ2_0: {
      constexpr size_t kHalf = 32;
      for (const size_t half : {size_t{0}, kHalf}) {
        const size_t end = decode_quarters(bytes + half, kHalf, trits + 4 * half);
        if (end != kHalf) {
          return half + end;
        }
      }
      return info.bytes;
    }
    case TernaryBlock::kQ2_0_64:
    case TernaryBlock::kQ2_0_128:
    case TernaryBlock::kPQ2_0:
      return kScale + decode_neighbours(bytes + kScale, info.bytes - kScale, trits);
    case TernaryBlock::kQ1_0: break;
  }
  for (size_t i = 0; i < info.elements; ++i) {
    trits[i] = (bytes[kScale + i / 8] >> (i % 8) & 1) != 0 ? 1 : -1;
  }
  return info.bytes;
}

float scale_of(const TernaryBlockInfo& info, const uint8_t* block) {
  uint16_t half;
  std::memcpy(&half, block + info.scale_at, sizeof(half));
  return f16_to_float(half);
}

}  // namespace

const TernaryBlockInfo& ternary_block_info(TernaryBlock block) {
  return kBlocks[static_cast<size_t>(block)];
}

std::optional<TernaryBlock> find_ternary_block(const GgufTensor& tensor) {
  std::optional<TernaryBlock> found;
  for (size_t i = 0; i < std::size(kBlocks); ++i) {
    const TernaryBlockInfo& info = kBlocks[i];
    if (tensor.type != info.type || tensor.elements % info.elements != 0) {
      continue;
    }
    const uint64_t bytes = tensor.elements / info.elements * info.bytes;  // elements < 2^48
    if (tensor.span >= bytes && tensor.span <= *checked_align_up(bytes, tensor.alignment)) {
      if (found) {
        return std::nullopt;
      }
      found = static_cast<TernaryBlock>(i);
    }
  }
  return found;
}

Result<TernaryBlockTensor> TernaryBlockTensor::open(const GgufFile& file, const GgufTensor& tensor,
                                                    TernaryBlock block) {
  TernaryBlockTensor result;
  result.file_ = &file.file_of(tensor);
  result.name_ = tensor.name;
  result.offset_ = tensor.offset;
  result.cols_ = tensor.dims[0];
  result.rows_ = tensor.dims[1];
  result.block_ = block;
  const TernaryBlockInfo& info = result.info();
  const uint64_t bytes = tensor.elements / info.elements * info.bytes;
  if (tensor.rank > 2 || result.cols_ % info.elements != 0 || tensor.span < bytes) {
    return format_error(fmt::format("{}: tensor {} at offset {}: expected a matrix of {} whose rows "
                                    "are whole blocks of {}, found {} dimensions, {} columns, {} bytes",
                                    file.file_of(tensor).path(), quote_name(tensor.name), tensor.offset,
                                    info.name, info.elements, tensor.rank, result.cols_, tensor.span));
  }
  return result;
}

Status TernaryBlockTensor::bad_byte(uint64_t offset, uint8_t byte) const {
  const bool level = info().type == kGgufQ2_0 || info().type == kGgufPQ2_0;
  const std::string where = fmt::format("{}: tensor {}: byte {:#04x} at offset {}", file_->path(),
                                        quote_name(name_), byte, offset);
  return level ? unsupported(where + " holds the level +2: the matrix is not ternary")
               : format_error(where + fmt::format(" is no code of {}", info().name));
}

Status TernaryBlockTensor::read_rows(uint64_t row_begin, uint64_t row_end, int8_t* trits,
                                     size_t stride) const try {
  const TernaryBlockInfo& info = this->info();
  std::vector<uint8_t> row(row_bytes());
  for (uint64_t r = row_begin; r < row_end; ++r) {
    const uint64_t offset = offset_ + r * row.size();
    ROTOR_TRY(file_->read(offset, std::as_writable_bytes(std::span(row))));
    int8_t* out = trits + (r - row_begin) * stride;
    for (size_t at = 0; at < row.size(); at += info.bytes, out += info.elements) {
      const size_t bad = decode_block(block_, row.data() + at, out);
      if (bad != info.bytes) {
        return bad_byte(offset + at + bad, row[at + bad]);
      }
      if (scale_of(info, row.data() + at) == 0.0f) {
        std::fill_n(out, info.elements, 0);
      }
    }
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory(file_->path() + ": no memory to read rows of " + quote_name(name_));
}

Status TernaryBlockTensor::read_scales(uint64_t row_begin, uint64_t row_end, float* scales) const try {
  const TernaryBlockInfo& info = this->info();
  std::vector<uint8_t> row(row_bytes());
  for (uint64_t r = row_begin; r < row_end; ++r) {
    const uint64_t offset = offset_ + r * row.size();
    ROTOR_TRY(file_->read(offset, std::as_writable_bytes(std::span(row))));
    for (size_t at = 0; at < row.size(); at += info.bytes) {
      const float scale = scale_of(info, row.data() + at);
      if (!std::isfinite(scale) || scale < 0.0f) {
        return format_error(fmt::format("{}: tensor {}: the scale at offset {}: expected a finite "
                                        "number of at least 0, got {}",
                                        file_->path(), quote_name(name_),
                                        offset + at + info.scale_at, scale));
      }
      *scales++ = scale;
    }
  }
  return {};
} catch (const std::bad_alloc&) {
  return out_of_memory(file_->path() + ": no memory to read scales of " + quote_name(name_));
}

}  // namespace rotor
