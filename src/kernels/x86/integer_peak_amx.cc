// SPDX-License-Identifier: Apache-2.0
// Six sums of 16 x 16, which hide the latency of a tile product, and the two factors: all eight tile
// registers. An element gains 64 a product.
#include "kernels/x86/amx_tiles.h"

namespace rotor::kernels {
namespace {

constexpr size_t kTileElements = 256;

inline void multiply_tiles() {
  _tile_dpbsud(0, 6, 7);
  _tile_dpbsud(1, 6, 7);
  _tile_dpbsud(2, 6, 7);
  _tile_dpbsud(3, 6, 7);
  _tile_dpbsud(4, 6, 7);
  _tile_dpbsud(5, 6, 7);
}

inline void zero_tiles() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
}

inline void store_tiles(int32_t (*sums)[kTileElements]) {
  _tile_stored(0, sums[0], 64);
  _tile_stored(1, sums[1], 64);
  _tile_stored(2, sums[2], 64);
  _tile_stored(3, sums[3], 64);
  _tile_stored(4, sums[4], 64);
  _tile_stored(5, sums[5], 64);
}

}  // namespace

uint64_t integer_peak_amx(uint64_t rounds) {
  constexpr size_t kProducts = 12;  // of 16 x 16 x 64, a round
  static_assert(kPeakMultiplyAdds == kProducts * kTileElements * kStepCols);
  TileConfig config = {};
  config.palette = 1;
  for (size_t tile = 0; tile < 8; ++tile) {
    config.rows[tile] = 16;
    config.row_bytes[tile] = 64;
  }
  publish(&config);
  _tile_loadconfig(&config);
  alignas(64) uint8_t ones[16 * 64];
  __builtin_memset(ones, 1, sizeof(ones));
  publish(ones);
  _tile_loadd(6, ones, 64);
  _tile_loadd(7, ones, 64);
  zero_tiles();
  for (uint64_t round = 0; round < rounds; ++round) {
    multiply_tiles();
    multiply_tiles();
  }
  alignas(64) int32_t sums[6][kTileElements];
  store_tiles(sums);
  publish(sums);
  _tile_release();
  uint64_t all = 0;
  for (const auto& tile : sums) {
    for (const int32_t sum : tile) {
      all += static_cast<uint64_t>(sum);
    }
  }
  return all;
}

}  // namespace rotor::kernels
