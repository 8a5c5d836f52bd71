// SPDX-License-Identifier: Apache-2.0
// The walk over tiles that all packed layouts share. A layout supplies only the code of one tile;
// padding with zero trits happens here, so that no layout can forget it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ternary/format.h"

namespace rotor {

// One tile of trits in the clear, as (kTileRows, kCols).
template <size_t kCols>
struct TritTile {
  int8_t trit[kTileRows][kCols];
};

// Calls encode(tile, bytes) for each tile of a row block.
template <size_t kCols, typename Encode>
void pack_tiles(const int8_t* trits, size_t stride, size_t cols, uint8_t* out, Encode encode) {
  for (size_t col = 0; col < cols; col += kCols, out += kTileBytes) {
    const size_t width = std::min(kCols, cols - col);
    TritTile<kCols> tile = {};
    for (size_t r = 0; r < kTileRows; ++r) {
      std::copy_n(trits + r * stride + col, width, tile.trit[r]);
    }
    encode(tile, out);
  }
}

// Calls decode(bytes, tile) for each tile of a row block.
template <size_t kCols, typename Decode>
void unpack_tiles(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride, Decode decode) {
  for (size_t col = 0; col < cols; col += kCols, packed += kTileBytes) {
    const size_t width = std::min(kCols, cols - col);
    TritTile<kCols> tile;
    decode(packed, tile);
    for (size_t r = 0; r < kTileRows; ++r) {
      std::copy_n(tile.trit[r], width, trits + r * stride + col);
    }
  }
}

}  // namespace rotor
