// SPDX-License-Identifier: Apache-2.0
// Rotary scaling in the forms that containers have for it.
#pragma once

#include <cstddef>
#include <vector>

#include "model/rope_scaling.h"

namespace rotor {

// The numbers that its type computes with; the others as if nobody had said them.
RopeScaling essential(const RopeScaling& scaling);

// The same with every number rounded to binary32. YaRN's attention factor, where it is the one that
// follows from the factor, follows from the rounded one.
RopeScaling in_binary32(const RopeScaling& scaling);

// What each frequency of head_dim dimensions is divided by, as GGUF's rope_freqs.weight says it: 1 or
// more, rounded to binary32. REQUIRES: as rope_frequencies().
std::vector<float> rotary_divisors(const RopeScaling& scaling, double theta, size_t head_dim);

}  // namespace rotor
