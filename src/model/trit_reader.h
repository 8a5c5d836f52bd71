// SPDX-License-Identifier: Apache-2.0
// TritReader: a ternary matrix as its file holds it. Loading, converting and inspecting all read
// matrices through this, run of row blocks by run of row blocks, so no copy of a whole matrix in
// another form is ever needed. Scales of groups come through a GroupScaleReader beside it.
#pragma once

#include <rotor/status.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "ternary/format.h"

namespace rotor {

// Immutable; every method may be called from several threads at once.
class TritReader {
 public:
  virtual ~TritReader() = default;
  TritReader(size_t rows, size_t cols) : rows_(rows), cols_(cols) {}

  size_t rows() const { return rows_; }
  size_t cols() const { return cols_; }

  // Trits of row blocks [begin, end) (16 rows each) into trits (16 * (end - begin), cols); rows past
  // rows() become zero. kFormatError, naming tensor and byte, for a code that is no trit.
  // REQUIRES: begin < end <= row_blocks(rows()).
  virtual Status read(size_t begin, size_t end, int8_t* trits) const = 0;

  // The same row blocks packed as `format`: (end - begin, row_block_bytes(format, cols)) bytes.
  // Readers of packed files override this with a direct way.
  virtual Status pack(size_t begin, size_t end, TernaryFormat format, uint8_t* out) const;

 private:
  size_t rows_;
  size_t cols_;
};

// A TritReader over a tensor with `Status read_rows(begin, end, trits, stride) const` (I2sTensor,
// HfPackedTensor). `owner` keeps alive the open file that `tensor` reads.
template <typename Tensor, typename Owner>
class TensorTrits final : public TritReader {
 public:
  TensorTrits(Tensor tensor, std::shared_ptr<const Owner> owner)
      : TritReader(tensor.rows(), tensor.cols()), tensor_(std::move(tensor)),
        owner_(std::move(owner)) {}

  Status read(size_t begin, size_t end, int8_t* trits) const override {
    const size_t first = begin * kTileRows;
    const size_t last = std::min(end * kTileRows, rows());
    ROTOR_TRY(tensor_.read_rows(first, last, trits, cols()));
    std::fill(trits + (last - first) * cols(), trits + (end * kTileRows - first) * cols(), 0);
    return {};
  }

 private:
  Tensor tensor_;
  std::shared_ptr<const Owner> owner_;
};

}  // namespace rotor
