// SPDX-License-Identifier: Apache-2.0
// Undoes the order in which GGUF files of the architecture llama have the rows of q and k. The rotary
// embedding turns row i of a head together with row i + head_dim / 2; llama.cpp's converter puts such
// pairs side by side, as rows 2i and 2i + 1. Rotor turns halves, so rows are put back as they are read:
// a permutation, nothing is rounded.
#pragma once

#include <rotor/status.h>

#include <cstddef>

#include "model/model_source.h"

namespace rotor {

// The row of the file that holds `row` of the model.
size_t paired_row(size_t row, size_t head_dim);

// Puts the rows of q or k back, with their scales. REQUIRES: head_dim is even and divides the rows.
void undo_pairing(LinearSource& linear, size_t head_dim);

}  // namespace rotor
