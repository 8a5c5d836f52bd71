// SPDX-License-Identifier: Apache-2.0
// GroupScaleReader: the scales of a matrix that has one for each group of columns, as its file holds
// them: the companion of a TritReader, read by the same runs of row blocks.
#pragma once

#include <rotor/status.h>

#include <cstddef>

namespace rotor {

// Immutable; may be called from several threads at once.
class GroupScaleReader {
 public:
  virtual ~GroupScaleReader() = default;

  // Multipliers of row blocks [begin, end) into scales (16 * (end - begin), groups); 0 for rows past
  // the matrix's. kFormatError, naming the place, for one that is not finite. Each is a number of the
  // type that the matrix's GroupShape names. REQUIRES: begin < end <= row_blocks(rows).
  virtual Status read(size_t begin, size_t end, float* scales) const = 0;
};

}  // namespace rotor
