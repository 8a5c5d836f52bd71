// SPDX-License-Identifier: Apache-2.0
// The engine's matrix products for callers that bring activations of their own: what the decoder does
// with one Linear, without a model around it. Nothing here touches Python.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "ternary/matrix.h"

namespace rotor::python {

// What a matrix may have: sums of `cols` products stay within int32 (kernels/kernel_types.h), and the
// bytes of any layout within size_t.
inline constexpr size_t kMostCols = (size_t{1} << 24) - 1;
inline constexpr size_t kMostRows = (size_t{1} << 31) - 1;

// Scales as the caller has them: of the tensor (1), of each row (rows), or of groups of columns
// (rows, groups).
struct ScaleValues {
  TernaryScale::Granularity granularity = TernaryScale::Granularity::kTensor;
  GroupShape group;
  std::vector<float> values;
};

// Owns what a TernaryMatrix points to. Immutable; used from any number of threads.
class PackedMatrix {
 public:
  // `trits` is (rows, cols) in C order. kInvalidArgument, with shapes, for sizes that are zero or too
  // large, a value that is no trit, a scale that is not a positive finite number, and groups in
  // another layout than i2.
  static Result<PackedMatrix> pack(const int8_t* trits, size_t rows, size_t cols, ScaleValues scale,
                                   TernaryFormat format);

  const TernaryMatrix& matrix() const { return matrix_; }
  const std::vector<float>& scale_values() const { return scale_values_; }
  std::span<const uint8_t> bytes() const { return {matrix_.packed, matrix_.bytes()}; }

 private:
  TernaryMatrix matrix_;
  std::vector<float> scale_values_;  // as given
  Buffer packed_;
  Buffer group_scales_;
};

// Writes (rows, cols) trits.
void unpack(const TernaryMatrix& matrix, int8_t* trits);

// The bound a caller's `scale` must keep: finite and above zero; kInvalidArgument names the entry.
Status check_scale(std::span<const float> scale);

// Of `batch` vectors at a time as many as take some tens of milliseconds, so that a caller may look for
// an interrupt in between.
size_t batch_at_once(const TernaryMatrix& matrix);

// out (batch, rows) = x (batch, cols) times the matrix transposed, as the decoder computes it: each
// vector becomes int8 by its largest magnitude, products are exact, then scaled (docs/numerics.md).
// kNotFinite with the first vector that holds infinity or NaN, counted from `first`. `threads`: most of
// them, 0 for what the affinity mask and the control group allow; results do not depend on it.
Status multiply(const TernaryMatrix& matrix, const float* x, size_t batch, size_t first, float* out,
                size_t threads);

// out (batch, rows) = the exact sums of codes (batch, cols) times trits; scales play no part.
Status multiply_codes(const TernaryMatrix& matrix, const int8_t* codes, size_t batch, int32_t* out,
                      size_t threads);

}  // namespace rotor::python
