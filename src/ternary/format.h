// SPDX-License-Identifier: Apache-2.0
// The packed layouts of ternary matrices. All of them describe the same trits: a matrix of (rows,
// cols) values in {-1, 0, +1}, held as row blocks of 16 rows; a row block is a run of tiles of 64
// bytes that follow each other along the columns. Rows and columns are padded with zero trits up to
// whole tiles. In a tile, byte 4r + j belongs to row r of the block, r in 0..15, j in 0..3, so that
// one 32-bit lane holds one row and a 64-byte vector holds all 16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace rotor {

enum class TernaryFormat : uint8_t {
  kI2 = 0,    // 2-bit codes t + 1: byte 4r + j, bits 2d..2d+1 = code[r, 4d + j], d in 0..3
  kDense243,  // base 3: byte 4r + j = sum over d in 0..4 of code[r, 4d + j] * 3^d
  kFold243,   // dense243 with its bytes numbered otherwise; docs/formats/fold243.md
  kPlanes2,   // bit-planes: 32 bytes "nonzero", then 32 bytes "negative"; docs/formats/planes2.md
};
inline constexpr size_t kTernaryFormats = 4;
inline constexpr size_t kTileRows = 16;
inline constexpr size_t kTileBytes = 64;

// One row per format; the table is constant.
struct TernaryFormatInfo {
  TernaryFormat format;
  std::string_view name;   // "i2", "dense243", "fold243", "planes2"
  size_t tile_cols;        // 16, 20, 20, 16
  double bits_per_weight;  // 2, 1.6, 1.6, 2

  // Packs 16 rows of `cols` trits; row r starts at trits + r * stride. `out` receives
  // row_block_bytes(format, cols) bytes; padding columns become zero trits.
  void (*pack_row_block)(const int8_t* trits, size_t stride, size_t cols, uint8_t* out);
  // The reverse; writes exactly `cols` trits into each of 16 rows.
  void (*unpack_row_block)(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride);
  // Offset of the first byte that no pack_row_block() writes (code 3, a base-3 value above 242, a
  // sign without a value), or nullopt when all `bytes` are valid.
  std::optional<size_t> (*find_invalid)(const uint8_t* packed, size_t bytes);
};

const TernaryFormatInfo& format_info(TernaryFormat format);
std::optional<TernaryFormat> parse_format(std::string_view name);

size_t tiles_per_row_block(TernaryFormat format, size_t cols);
size_t row_block_bytes(TernaryFormat format, size_t cols);
inline size_t row_blocks(size_t rows) { return (rows + kTileRows - 1) / kTileRows; }
// row_blocks(rows) * row_block_bytes(format, cols). REQUIRES: the product fits size_t.
size_t packed_bytes(TernaryFormat format, size_t rows, size_t cols);

// Repacks one row block from one layout into another without going through single trits where a
// direct way exists: from dense243, which .rotor files hold, to i2 and fold243.
void repack_row_block(TernaryFormat from, const uint8_t* packed, TernaryFormat to, size_t cols,
                      uint8_t* out);

}  // namespace rotor
