// SPDX-License-Identifier: Apache-2.0
// HeadRows: products of vectors with rows of the head, of any element type, in memory or in the file.
#pragma once

#include <rotor/status.h>

#include <cstddef>

#include "kernels/kernels.h"
#include "model/weights.h"

namespace rotor {

class HeadRows {
 public:
  // References outlive the object. `at_once`: rows of a file that are read together.
  HeadRows(const FloatMatrix& head, const KernelTable& kernels, size_t at_once)
      : head_(head), kernels_(kernels), at_once_(at_once) {}

  // What dot() needs, a multiple of 64: bytes of `at_once` rows, and one row of values.
  size_t scratch_bytes() const;

  // args.out[b, r - begin] = head[r] . args.x[b] for rows [begin, end); args.w, args.rows and
  // args.cols are set here. `scratch`: 64-byte aligned, for this thread alone. A row's result does not
  // depend on the others. Errors: those of reading.
  Status dot(size_t begin, size_t end, DotRowsArgs args, std::byte* scratch) const;

 private:
  void dot_bytes(const std::byte* bytes, size_t rows, DotRowsArgs args, float* values) const;

  const FloatMatrix& head_;
  const KernelTable& kernels_;
  size_t at_once_;
};

}  // namespace rotor
