// SPDX-License-Identifier: Apache-2.0
// Float weights that are trits already, as fake-quantised and "unpacked" checkpoints hold them: in
// each unit of the matrix every value is 0, +d or -d. The units are found, not told: the whole
// matrix; its rows in 2, 4 or 8 equal shards; each row; groups of 256, 128 or 64 columns; the first
// of these that fits. Nothing is rounded: ordinary floats are told from them.
#pragma once

#include <rotor/status.h>

#include <cstdint>
#include <memory>
#include <string>

#include "model/group_scale_reader.h"
#include "model/master_reader.h"
#include "model/model_source.h"
#include "model/trit_reader.h"
#include "model/weights.h"
#include "ternary/matrix.h"

namespace rotor {

struct ExactTernary {
  std::unique_ptr<TritReader> trits;
  TernaryScale scale;                              // as the units found: kTensor, kRow or kGroup
  std::unique_ptr<GroupScaleReader> group_scales;  // kGroup, else null
  std::string units;                               // "matrix", "4 shards of rows", "row", "128 columns"
  // Weights whose magnitude is the neighbour, in their type, of the scale they are given: what
  // adding and taking away the same number leaves behind. 0 unless no units fit exactly.
  uint64_t off_by_one = 0;
};

// A row-major (rows, cols) matrix of kF32, kF16 or kBf16 values, which is read once. Units in which
// all magnitudes are equal are looked for first, of every kind, then such whose magnitudes are two
// neighbouring numbers of the type; the scale is the one that more weights have. kUnsupported,
// naming `tensor`, row and column, where there is neither; kFormatError, naming the byte, for a
// value that is not finite.
Result<ExactTernary> open_exact_ternary(const std::string& tensor, FloatType type, size_t rows,
                                        size_t cols, ReadBytes read);

// The same as a matrix of a source: `type_name` holding trits, and what its units are. `place` says
// where the tensor is.
Result<LinearSource> exact_ternary_source(const std::string& tensor, const std::string& type_name,
                                          const std::string& place, FloatType type,
                                          MatrixShape shape, ReadBytes read);

}  // namespace rotor
