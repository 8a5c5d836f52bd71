// SPDX-License-Identifier: Apache-2.0
// The scale of a matrix whose file has one for each block of a row.
#pragma once

#include <rotor/status.h>

#include "io/ternary_blocks.h"
#include "ternary/matrix.h"

namespace rotor {

// One scale for the matrix or for each row where those of the blocks agree; blocks with scale 0 hold
// zeros and agree with any. Otherwise one for each group of a block's columns. A matrix or row of zeros
// alone has the scale 0. Reads the whole tensor; kFormatError for a scale that is none, kOutOfMemory.
Result<TernaryScale> scale_of_blocks(const TernaryBlockTensor& tensor);

}  // namespace rotor
