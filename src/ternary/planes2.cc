// SPDX-License-Identifier: Apache-2.0
// The planes2 layout: a bit-plane "nonzero" and a bit-plane "negative" (docs/formats/planes2.md).
#include <algorithm>

#include "ternary/layouts.h"
#include "ternary/tiles.h"

namespace rotor {
namespace {

constexpr size_t kCols = 16;
constexpr size_t kPlaneBytes = 32;
using Tile = TritTile<kCols>;

// In a plane, bit 64d + 4r + j stands for trit (r, 4d + j): the 64-bit word d is a byte mask for a
// vector that repeats x[4d .. 4d + 3] in all 16 row lanes.
struct BitPosition {
  size_t byte;
  unsigned shift;
};
BitPosition bit_position(size_t r, size_t c) {
  const size_t bit = 64 * (c / 4) + 4 * r + c % 4;
  return {bit / 8, static_cast<unsigned>(bit % 8)};
}

void encode(const Tile& tile, uint8_t* out) {
  std::fill_n(out, kTileBytes, uint8_t{0});
  for (size_t r = 0; r < kTileRows; ++r) {
    for (size_t c = 0; c < kCols; ++c) {
      const auto [byte, shift] = bit_position(r, c);
      const int8_t trit = tile.trit[r][c];
      out[byte] |= static_cast<uint8_t>((trit != 0) << shift);
      out[kPlaneBytes + byte] |= static_cast<uint8_t>((trit < 0) << shift);
    }
  }
}

void decode(const uint8_t* packed, Tile& tile) {
  for (size_t r = 0; r < kTileRows; ++r) {
    for (size_t c = 0; c < kCols; ++c) {
      const auto [byte, shift] = bit_position(r, c);
      const int nonzero = packed[byte] >> shift & 1;
      const int negative = packed[kPlaneBytes + byte] >> shift & 1;
      tile.trit[r][c] = static_cast<int8_t>(nonzero - 2 * negative);
    }
  }
}

}  // namespace

void pack_planes2(const int8_t* trits, size_t stride, size_t cols, uint8_t* out) {
  pack_tiles<kCols>(trits, stride, cols, out, encode);
}

void unpack_planes2(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride) {
  unpack_tiles<kCols>(packed, cols, trits, stride, decode);
}

std::optional<size_t> find_invalid_planes2(const uint8_t* packed, size_t bytes) {
  for (size_t tile = 0; tile < bytes; tile += kTileBytes) {
    const uint8_t* nonzero = packed + tile;
    const uint8_t* negative = nonzero + kPlaneBytes;
    for (size_t i = 0; i < kPlaneBytes; ++i) {
      if ((negative[i] & ~nonzero[i]) != 0) {
        return tile + kPlaneBytes + i;
      }
    }
  }
  return std::nullopt;
}

}  // namespace rotor
