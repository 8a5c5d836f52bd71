// SPDX-License-Identifier: Apache-2.0
// The products of a pass with low-rank adapters: to what a matrix gives for a row of the batch,
// B (A x) scaling is added for each adapter of the row's sequence (docs/numerics.md). Two steps, since
// every output needs all of A x: reduce(), a barrier, expand().
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "model/batch.h"
#include "model/lora.h"
#include "model/trace.h"

namespace rotor {

class LoraProducts {
 public:
  explicit LoraProducts(const KernelTable& kernels) : kernels_(kernels) {}

  // Looks at the adapters of a batch, which outlives the pass. Takes memory where they are larger than
  // any before.
  void start(const Batch& batch);

  // Whether a row of the batch has adapters.
  bool any() const { return !sets_.empty(); }
  // Whether a row has an adapter of one of these matrices.
  bool adapts(size_t layer, std::span<const LinearRole> roles) const;

  // The share `part` of `parts` of A x, for all rows and at most three matrices with the same inputs
  // x (rows, x_stride), `cols` each. `roles[i]` goes to place i.
  void reduce(size_t layer, std::span<const LinearRole> roles, const float* x, size_t x_stride,
              size_t cols, size_t part, size_t parts);
  // A x of one row, for place 0.
  void reduce_row(size_t layer, LinearRole role, size_t row, const float* x, size_t cols);

  // Adds to `values`, outputs [begin, end) of the matrix at `place` for a row. Thread-safe.
  void expand(size_t layer, LinearRole role, size_t place, size_t row, size_t begin, size_t end,
              float* values) const;

 private:
  static constexpr size_t kPlaces = 3;

  // Where the first number of A x goes.
  size_t low_at(size_t row, size_t place, size_t adapter) const {
    return row * low_stride_ + (place * most_adapters_ + adapter) * most_rank_;
  }
  AddLowRank add_low_rank(FloatType type) const;
  void reduce_rows(const LowRank& low, size_t first, size_t count, const float* x, size_t x_stride,
                   size_t rows, size_t cols, float* out) const;

  const KernelTable& kernels_;
  std::vector<const LoraSet*> sets_;  // of the rows; empty when no row has any
  std::vector<float> low_;            // (rows, low_stride_)
  size_t most_adapters_ = 0;          // of a row
  size_t most_rank_ = 0;
  size_t low_stride_ = 0;
};

}  // namespace rotor
