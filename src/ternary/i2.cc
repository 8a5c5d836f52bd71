// SPDX-License-Identifier: Apache-2.0
// The i2 layout: 2-bit codes t + 1, four to a byte, rows interleaved (docs/formats/i2.md).
#include "ternary/layouts.h"
#include "ternary/tiles.h"

namespace rotor {
namespace {

constexpr size_t kCols = 16;
using Tile = TritTile<kCols>;

void encode(const Tile& tile, uint8_t* out) {
  for (size_t i = 0; i < kTileBytes; ++i) {
    const int8_t* row = tile.trit[i / 4] + i % 4;
    unsigned byte = 0;
    for (size_t d = 0; d < 4; ++d) {
      byte |= static_cast<unsigned>(row[4 * d] + 1) << (2 * d);
    }
    out[i] = static_cast<uint8_t>(byte);
  }
}

void decode(const uint8_t* packed, Tile& tile) {
  for (size_t i = 0; i < kTileBytes; ++i) {
    int8_t* row = tile.trit[i / 4] + i % 4;
    for (size_t d = 0; d < 4; ++d) {
      row[4 * d] = static_cast<int8_t>(((packed[i] >> (2 * d)) & 3) - 1);
    }
  }
}

}  // namespace

void pack_i2(const int8_t* trits, size_t stride, size_t cols, uint8_t* out) {
  pack_tiles<kCols>(trits, stride, cols, out, encode);
}

void unpack_i2(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride) {
  unpack_tiles<kCols>(packed, cols, trits, stride, decode);
}

std::optional<size_t> find_invalid_i2(const uint8_t* packed, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if ((packed[i] & (packed[i] >> 1) & 0x55) != 0) {  // both bits of a field: code 3
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace rotor
