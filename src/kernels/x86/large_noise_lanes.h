// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 in lanes of 64 bits, a token each: vpmuludq multiplies the low words of the lanes, so a
// word of the counter may have anything above it. A round is, in a lane,
//
//   c0, c1, c2, c3 = high(c2 * M1) ^ c1 ^ k0, low(c2 * M1), high(c0 * M0) ^ c3 ^ k1, low(c0 * M0)
//
// and both halves of a product are used where they are. A round waits for its products, so kChains
// vectors are on their way at once. Level offers Vector with kLanes lanes, and multiply, xor3, high
// (shifted down), count_up, broadcast and begins_with (a bit for each lane whose words c1, c0 have no bit
// of a mask).
#pragma once

#include "base/philox_constants.h"
#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

// Bit i: whether token first + i has such bits.
template <typename Level>
inline uint32_t large_noise_step(const LargeNoiseArgs& args, uint32_t first, uint64_t mask) {
  using Vector = typename Level::Vector;
  constexpr uint32_t kChains = Level::kChains;
  const Vector multiplier0 = Level::broadcast(kPhiloxMultiplier0);
  const Vector multiplier1 = Level::broadcast(kPhiloxMultiplier1);
  Vector c0[kChains], c1[kChains], c2[kChains], c3[kChains];
  for (uint32_t i = 0; i < kChains; ++i) {
    c0[i] = Level::count_up(first + i * Level::kLanes);
    c1[i] = Level::broadcast(args.position);
    c2[i] = Level::broadcast(args.sample);
    c3[i] = Level::broadcast(0);
  }
  uint32_t key0 = static_cast<uint32_t>(args.seed);
  uint32_t key1 = static_cast<uint32_t>(args.seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const Vector k0 = Level::broadcast(key0);
    const Vector k1 = Level::broadcast(key1);
#pragma GCC unroll 4
    for (uint32_t i = 0; i < kChains; ++i) {
      const Vector product0 = Level::multiply(c0[i], multiplier0);
      const Vector product1 = Level::multiply(c2[i], multiplier1);
      c0[i] = Level::xor3(Level::high(product1), c1[i], k0);
      c1[i] = product1;
      c2[i] = Level::xor3(Level::high(product0), c3[i], k1);
      c3[i] = product0;
    }
    key0 += kPhiloxWeyl0;
    key1 += kPhiloxWeyl1;
  }
  uint32_t found = 0;
  for (uint32_t i = 0; i < kChains; ++i) {
    found |= Level::begins_with(c1[i], c0[i], mask) << (i * Level::kLanes);
  }
  return found;
}

// The lanes past the last token are computed and left out.
template <typename Level>
inline size_t large_noise_lanes(const LargeNoiseArgs& args) {
  constexpr uint32_t kStep = Level::kChains * Level::kLanes;
  const uint64_t mask = args.zeros == 0 ? 0 : ~uint64_t{0} << (64 - args.zeros);
  size_t count = 0;
  for (uint32_t i = 0; i < args.count; i += kStep) {
    uint32_t found = large_noise_step<Level>(args, args.first + i, mask);
    if (args.count - i < kStep) {
      found &= (uint32_t{1} << (args.count - i)) - 1;
    }
    for (; found != 0; found &= found - 1) {
      args.found[count++] = i + static_cast<uint32_t>(__builtin_ctz(found));
    }
  }
  return count;
}

}  // namespace
}  // namespace rotor::kernels
