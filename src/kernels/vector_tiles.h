// SPDX-License-Identifier: Apache-2.0
// Vectors in tiles of a size known to the compiler, whose accumulators then stay in registers.
#pragma once

#include <cstddef>

namespace rotor::kernels {
namespace {

// The vectors [first, end), at most kTile, as one tile of exactly that many.
template <size_t kTile, typename Work>
inline void last_vectors(size_t first, size_t end, const Work& work) {
  if constexpr (kTile > 0) {
    if (end - first == kTile) {
      work.template operator()<kTile>(first);
    } else {
      last_vectors<kTile - 1>(first, end, work);
    }
  }
}

// Calls work.operator()<size>(first) for the vectors [first, first + size), which cover [0, count):
// size is kTile but for the last.
template <size_t kTile, typename Work>
inline void vector_tiles(size_t count, const Work& work) {
  size_t first = 0;
  for (; first + kTile <= count; first += kTile) {
    work.template operator()<kTile>(first);
  }
  last_vectors<kTile - 1>(first, count, work);
}

}  // namespace
}  // namespace rotor::kernels
