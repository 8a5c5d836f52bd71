// SPDX-License-Identifier: Apache-2.0
// The format table, sizes, and repacking between layouts.
#include "ternary/format.h"

#include <algorithm>
#include <cstring>

#include "ternary/layouts.h"

namespace rotor {
namespace {

constexpr TernaryFormatInfo kFormats[kTernaryFormats] = {
    {TernaryFormat::kI2, "i2", 16, 2.0, pack_i2, unpack_i2, find_invalid_i2},
    {TernaryFormat::kDense243, "dense243", 20, 1.6, pack_dense243, unpack_dense243,
     find_invalid_dense243},
    {TernaryFormat::kFold243, "fold243", 20, 1.6, pack_fold243, unpack_fold243,
     find_invalid_dense243},
    {TernaryFormat::kPlanes2, "planes2", 16, 2.0, pack_planes2, unpack_planes2,
     find_invalid_planes2},
};

}  // namespace

const TernaryFormatInfo& format_info(TernaryFormat format) {
  return kFormats[static_cast<size_t>(format)];
}

std::optional<TernaryFormat> parse_format(std::string_view name) {
  for (const TernaryFormatInfo& info : kFormats) {
    if (info.name == name) {
      return info.format;
    }
  }
  return std::nullopt;
}

size_t tiles_per_row_block(TernaryFormat format, size_t cols) {
  const size_t tile_cols = format_info(format).tile_cols;
  return cols / tile_cols + (cols % tile_cols != 0 ? 1 : 0);
}

size_t row_block_bytes(TernaryFormat format, size_t cols) {
  return tiles_per_row_block(format, cols) * kTileBytes;
}

size_t packed_bytes(TernaryFormat format, size_t rows, size_t cols) {
  return row_blocks(rows) * row_block_bytes(format, cols);
}

void repack_row_block(TernaryFormat from, const uint8_t* packed, TernaryFormat to, size_t cols,
                      uint8_t* out) {
  if (from == to) {
    std::memcpy(out, packed, row_block_bytes(from, cols));
    return;
  }
  if (from == TernaryFormat::kDense243 && to == TernaryFormat::kI2) {
    repack_dense243_to_i2(packed, cols, out);
    return;
  }
  if (from == TernaryFormat::kDense243 && to == TernaryFormat::kFold243) {
    repack_dense243_to_fold243(packed, cols, out);
    return;
  }
  constexpr size_t kChunk = 80;  // whole tiles of every layout
  int8_t trits[kTileRows * kChunk];
  for (size_t col = 0; col < cols; col += kChunk) {
    const size_t width = std::min(kChunk, cols - col);
    format_info(from).unpack_row_block(packed, width, trits, kChunk);
    format_info(to).pack_row_block(trits, kChunk, width, out);
    packed += row_block_bytes(from, kChunk);
    out += row_block_bytes(to, kChunk);
  }
}

}  // namespace rotor
