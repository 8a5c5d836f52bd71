// SPDX-License-Identifier: Apache-2.0
// The frame of integer_peak for vector registers: twelve sums, which hide the latency of a product in
// every known core and leave registers for the operands. A lane of the narrowest gains 2048 a round,
// within 2^23 in kMostPeakRounds.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_types.h"

namespace rotor::kernels {
namespace {

constexpr size_t kPeakSums = 12;

// Adds up the lanes; all of them are counts.
inline uint64_t count_of(const int32_t* lanes, size_t count) {
  uint64_t all = 0;
  for (size_t i = 0; i < count; ++i) {
    all += static_cast<uint64_t>(lanes[i]);
  }
  return all;
}

// Vnni::Register with Vnni::zero(), ones(), multiply_add(sum, a, b) and store(lanes, sum).
template <typename Vnni>
inline uint64_t peak_of(uint64_t rounds) {
  using Register = typename Vnni::Register;
  constexpr size_t kLanes = sizeof(Register) / sizeof(int32_t);
  constexpr size_t kSteps = kPeakMultiplyAdds / sizeof(Register) / kPeakSums;
  Register sums[kPeakSums];
  for (Register& sum : sums) {
    sum = Vnni::zero();
  }
  const Register ones = Vnni::ones();
  for (uint64_t step = 0; step < rounds * kSteps; ++step) {
#pragma GCC unroll 12
    for (Register& sum : sums) {
      sum = Vnni::multiply_add(sum, ones, ones);
    }
  }
  uint64_t all = 0;
  for (const Register& sum : sums) {
    int32_t lanes[kLanes];
    Vnni::store(lanes, sum);
    all += count_of(lanes, kLanes);
  }
  return all;
}

}  // namespace
}  // namespace rotor::kernels
