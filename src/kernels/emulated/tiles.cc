// SPDX-License-Identifier: Apache-2.0
#include "kernels/emulated/tiles.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rotor::emulated {
namespace {

// Palette 1.
constexpr size_t kTiles = 8;
constexpr size_t kRows = 16;
constexpr size_t kRowBytes = 64;

// Beyond its rows and row_bytes a tile is zero.
struct Tile {
  size_t rows = 0;
  size_t row_bytes = 0;
  uint8_t data[kRows][kRowBytes] = {};
};

thread_local bool configured = false;
thread_local std::array<Tile, kTiles> tiles;

void require(bool holds, const char* instruction, const char* rule) {
  if (holds) {
    return;
  }
  std::fprintf(stderr, "emulated %s: %s\nrows x bytes:", instruction, rule);
  for (const Tile& tile : tiles) {
    std::fprintf(stderr, " %zux%zu", tile.rows, tile.row_bytes);
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

Tile& tile_of(int number, const char* instruction) {
  require(configured, instruction, "tiles without a configuration");
  require(number >= 0 && number < static_cast<int>(kTiles), instruction, "no such tile");
  Tile& tile = tiles[static_cast<size_t>(number)];
  require(tile.rows != 0, instruction, "a tile without a shape");
  return tile;
}

}  // namespace

void tile_loadconfig(const void* config) {
  constexpr const char* kName = "LDTILECFG";
  std::array<uint8_t, 64> bytes;
  std::memcpy(bytes.data(), config, bytes.size());
  const auto zero = [&bytes](size_t begin, size_t end) {
    return std::count(bytes.begin() + begin, bytes.begin() + end, 0) ==
           static_cast<ptrdiff_t>(end - begin);
  };
  tile_release();
  require(bytes[0] <= 1, kName, "a palette other than 0 and 1");
  if (bytes[0] == 0) {
    return;
  }
  require(bytes[1] == 0, kName, "a start row, which only an interrupted instruction leaves");
  require(zero(2, 16) && zero(32, 48) && zero(56, 64), kName, "reserved bytes that are not zero");
  for (size_t i = 0; i < kTiles; ++i) {
    tiles[i].row_bytes = bytes[16 + 2 * i] + 256u * bytes[17 + 2 * i];
    tiles[i].rows = bytes[48 + i];
    require(tiles[i].row_bytes <= kRowBytes, kName, "a row of more than 64 bytes");
    require(tiles[i].rows <= kRows, kName, "a tile of more than 16 rows");
    require((tiles[i].rows == 0) == (tiles[i].row_bytes == 0), kName,
            "rows without bytes or bytes without rows");
  }
  configured = true;
}

void tile_release() {
  configured = false;
  tiles = {};
}

void tile_zero(int tile) {
  std::memset(tile_of(tile, "TILEZERO").data, 0, kRows * kRowBytes);
}

void tile_loadd(int tile, const void* base, ptrdiff_t stride) {
  Tile& to = tile_of(tile, "TILELOADD");
  std::memset(to.data, 0, sizeof(to.data));
  const char* from = static_cast<const char*>(base);
  for (size_t r = 0; r < to.rows; ++r) {
    std::memcpy(to.data[r], from + static_cast<ptrdiff_t>(r) * stride, to.row_bytes);
  }
}

void tile_stored(int tile, void* base, ptrdiff_t stride) {
  const Tile& from = tile_of(tile, "TILESTORED");
  char* to = static_cast<char*>(base);
  for (size_t r = 0; r < from.rows; ++r) {
    std::memcpy(to + static_cast<ptrdiff_t>(r) * stride, from.data[r], from.row_bytes);
  }
}

void tile_dpbsud(int c, int a, int b) {
  constexpr const char* kName = "TDPBSUD";
  Tile& sums = tile_of(c, kName);
  const Tile& left = tile_of(a, kName);
  const Tile& right = tile_of(b, kName);
  require(c != a && c != b && a != b, kName, "one tile twice");
  require(sums.row_bytes % 4 == 0 && left.row_bytes % 4 == 0 && right.row_bytes % 4 == 0, kName,
          "rows that are no multiple of 4 bytes");
  require(left.rows == sums.rows, kName, "a and c differ in rows");
  require(right.row_bytes == sums.row_bytes, kName, "b and c differ in bytes of a row");
  require(left.row_bytes / 4 == right.rows, kName, "a has not four columns for every row of b");
  const size_t columns = sums.row_bytes / 4;
  for (size_t m = 0; m < sums.rows; ++m) {
    uint32_t row[kRowBytes / 4] = {};
    std::memcpy(row, sums.data[m], sums.row_bytes);
    for (size_t k = 0; k < right.rows; ++k) {
      for (size_t n = 0; n < columns; ++n) {
        for (size_t j = 0; j < 4; ++j) {
          const int signed_byte = static_cast<int8_t>(left.data[m][4 * k + j]);
          row[n] += static_cast<uint32_t>(signed_byte * right.data[k][4 * n + j]);
        }
      }
    }
    std::memcpy(sums.data[m], row, sizeof(row));  // zero beyond row_bytes
  }
}

bool tiles_configured() { return configured; }

}  // namespace rotor::emulated
