// SPDX-License-Identifier: Apache-2.0
// The dense243 layout: five base-3 digits t + 1 to a byte (docs/formats/dense243.md).
#include <algorithm>
#include <array>
#include <cstring>

#include "ternary/layouts.h"
#include "ternary/tiles.h"

namespace rotor {
namespace {

constexpr size_t kCols = 20;
constexpr size_t kDigits = 5;
using Tile = TritTile<kCols>;

void encode(const Tile& tile, uint8_t* out) {
  for (size_t i = 0; i < kTileBytes; ++i) {
    const int8_t* row = tile.trit[i / 4] + i % 4;
    int value = 0;
    for (size_t d = kDigits; d-- > 0;) {
      value = 3 * value + row[4 * d] + 1;
    }
    out[i] = static_cast<uint8_t>(value);
  }
}

// 64 bytes that are handled alike; loops over them become vector code.
using Lanes = std::array<uint8_t, kTileBytes>;

// v mod m for v < 3m <= 256: an unsigned difference that wraps is larger than v.
uint8_t residue(uint8_t v, uint8_t m) {
  const uint8_t once = std::min(v, static_cast<uint8_t>(v - m));
  return std::min(once, static_cast<uint8_t>(once - m));
}

// Splits each byte into its digits, codes[d][i] in 0..2. With r = v mod 3^d, the multiple of 3^d
// that is left, v - r, is the digit modulo 4 where 3^d = 1 (mod 4), and its negative where
// 3^d = 3 (mod 4).
void split_digits(const uint8_t* packed, Lanes* codes) {
  for (size_t i = 0; i < kTileBytes; ++i) {
    const uint8_t v = packed[i];
    const uint8_t v81 = residue(v, 81);
    const uint8_t v27 = residue(v81, 27);
    const uint8_t v9 = residue(v27, 9);
    const uint8_t v3 = residue(v9, 3);
    codes[0][i] = v3;
    codes[1][i] = static_cast<uint8_t>(v3 - v9) & 3;
    codes[2][i] = static_cast<uint8_t>(v27 - v9) & 3;
    codes[3][i] = static_cast<uint8_t>(v27 - v81) & 3;
    codes[4][i] = static_cast<uint8_t>(v - v81) & 3;
  }
}

// A row of a tile is four lanes of each digit, one digit after the other.
void decode(const uint8_t* packed, Tile& tile) {
  Lanes codes[kDigits];
  split_digits(packed, codes);
  for (Lanes& lanes : codes) {
    for (uint8_t& lane : lanes) {
      lane = static_cast<uint8_t>(lane - 1);  // the trit as a byte
    }
  }
  for (size_t r = 0; r < kTileRows; ++r) {
    for (size_t d = 0; d < kDigits; ++d) {
      std::memcpy(tile.trit[r] + 4 * d, codes[d].data() + 4 * r, 4);
    }
  }
}

}  // namespace

void pack_dense243(const int8_t* trits, size_t stride, size_t cols, uint8_t* out) {
  pack_tiles<kCols>(trits, stride, cols, out, encode);
}

void unpack_dense243(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride) {
  unpack_tiles<kCols>(packed, cols, trits, stride, decode);
}

// The largest byte of a step first, in a loop that becomes vector code: files are valid.
std::optional<size_t> find_invalid_dense243(const uint8_t* packed, size_t bytes) {
  constexpr size_t kStep = 4096;
  for (size_t begin = 0; begin < bytes; begin += kStep) {
    const size_t end = std::min(begin + kStep, bytes);
    uint8_t largest = 0;
    for (size_t i = begin; i < end; ++i) {
      largest = std::max(largest, packed[i]);
    }
    if (largest > 242) {
      return std::find_if(packed + begin, packed + end, [](uint8_t b) { return b > 242; }) - packed;
    }
  }
  return std::nullopt;
}

// Both layouts keep trit (r, 4g + j) in byte lane 4r + j of their tiles, so a lane is a plain
// sequence over g: five digits a tile here, four codes a tile there. Four tiles become five.
void repack_dense243_to_i2(const uint8_t* packed, size_t cols, uint8_t* out) {
  constexpr size_t kGroup = 4;
  size_t tiles_in = tiles_per_row_block(TernaryFormat::kDense243, cols);
  size_t tiles_out = tiles_per_row_block(TernaryFormat::kI2, cols);
  Lanes codes[kGroup * kDigits];
  while (tiles_out > 0) {
    const size_t group = std::min(kGroup, tiles_in);
    for (size_t t = 0; t < group; ++t) {
      split_digits(packed + t * kTileBytes, codes + t * kDigits);
    }
    for (size_t g = group * kDigits; g < kGroup * kDigits; ++g) {
      codes[g].fill(1);  // columns past the last tile: zero trits
    }
    const size_t written = std::min(kDigits, tiles_out);
    for (size_t t = 0; t < written; ++t) {
      const Lanes* c = codes + 4 * t;
      for (size_t i = 0; i < kTileBytes; ++i) {
        out[t * kTileBytes + i] =
            static_cast<uint8_t>(c[0][i] | c[1][i] << 2 | c[2][i] << 4 | c[3][i] << 6);
      }
    }
    packed += group * kTileBytes;
    out += written * kTileBytes;
    tiles_in -= group;
    tiles_out -= written;
  }
}

}  // namespace rotor
