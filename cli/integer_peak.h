// SPDX-License-Identifier: Apache-2.0
// How fast this machine multiplies bytes: the limit that prompts are measured against.
#pragma once

#include <cstddef>

#include "base/cpu_features.h"

namespace rotor::cli {

// Multiplications and additions a second (2 for each product) that `threads` threads reach together
// with the integer products of the level, from registers; the best of `repeats` rounds of some 20 ms.
double measure_integer_peak(size_t threads, IsaLevel isa, size_t repeats);

}  // namespace rotor::cli
