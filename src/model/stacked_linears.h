// SPDX-License-Identifier: Apache-2.0
// Matrices of a file as one, each below the one before: the experts of a layer, where a file has a tensor
// for each.
#pragma once

#include <rotor/status.h>

#include <string>
#include <vector>

#include "model/model_source.h"

namespace rotor {

// One matrix of all `parts`, which have the same shape, as `tensor` of the layout of the first. Its scales
// are those of rows, or of groups where all parts have groups of one shape; kUnsupported for another
// mixture, and for floats of several types, naming the part. REQUIRES: parts is not empty, their rows are a
// multiple of 16, and all are trits or all are floats.
Result<LinearSource> stack_linears(std::string tensor, std::vector<LinearSource> parts);

}  // namespace rotor
