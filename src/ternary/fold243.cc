// SPDX-License-Identifier: Apache-2.0
// The fold243 layout: dense243 with its 243 bytes numbered otherwise (docs/formats/fold243.md).
#include <algorithm>
#include <array>

#include "ternary/format.h"
#include "ternary/layouts.h"

namespace rotor {
namespace {

constexpr size_t kCols = 20;
constexpr unsigned kInvalid = 243;  // and above, in both layouts
using Bytes = std::array<uint8_t, 256>;

// low = digits 0 to 3 of a dense243 byte, 0..80; top = digit 4.
constexpr uint8_t fold(unsigned byte) {
  const unsigned low = byte % 81;
  const unsigned top = byte / 81;
  return static_cast<uint8_t>(low < 64 ? 64 * top + low : 192 + 17 * top + (low - 64));
}

// The fold243 byte of each dense243 byte. Invalid bytes stay what they are.
constexpr Bytes kFold = [] {
  Bytes folded{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    folded[byte] = byte < kInvalid ? fold(byte) : static_cast<uint8_t>(byte);
  }
  return folded;
}();

// The reverse.
constexpr Bytes kUnfold = [] {
  Bytes unfolded{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    unfolded[kFold[byte]] = static_cast<uint8_t>(byte);
  }
  return unfolded;
}();

void renumber(const uint8_t* in, size_t bytes, const Bytes& table, uint8_t* out) {
  std::transform(in, in + bytes, out, [&](uint8_t byte) { return table[byte]; });
}

}  // namespace

void pack_fold243(const int8_t* trits, size_t stride, size_t cols, uint8_t* out) {
  pack_dense243(trits, stride, cols, out);
  renumber(out, row_block_bytes(TernaryFormat::kFold243, cols), kFold, out);
}

void unpack_fold243(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride) {
  for (size_t col = 0; col < cols; col += kCols) {
    uint8_t tile[kTileBytes];
    renumber(packed, kTileBytes, kUnfold, tile);
    unpack_dense243(tile, std::min(kCols, cols - col), trits + col, stride);
    packed += kTileBytes;
  }
}

void repack_dense243_to_fold243(const uint8_t* packed, size_t cols, uint8_t* out) {
  renumber(packed, row_block_bytes(TernaryFormat::kFold243, cols), kFold, out);
}

}  // namespace rotor
