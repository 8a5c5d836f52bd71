// SPDX-License-Identifier: Apache-2.0
// TernaryMatrix: a view of a packed matrix of trits, with its scales. Immutable once built; readable
// from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ternary/format.h"
#include "ternary/group_scales.h"

namespace rotor {

// Real weight = trit * multiplier. One multiplier for the tensor, one per row, or one per group of
// `group.cols` columns of a row.
struct TernaryScale {
  enum class Granularity : uint8_t { kTensor, kRow, kGroup } granularity = Granularity::kTensor;
  GroupShape group;            // kGroup
  std::vector<float> values;   // (1) or (rows); none for kGroup, whose many scales stay packed

  bool grouped() const { return granularity == Granularity::kGroup; }
};

struct TernaryMatrix {
  TernaryFormat format = TernaryFormat::kI2;
  size_t rows = 0;             // outputs
  size_t cols = 0;             // inputs
  TernaryScale scale;
  // (row_blocks(rows), row_block_bytes(format, cols)) bytes from a 64-byte boundary. The memory
  // belongs to whoever made the matrix: a model keeps all of them in one buffer.
  const uint8_t* packed = nullptr;
  // kGroup, and whatever the granularity where activations stay floats (model/loader.h,
  // packed_scales()): (row_blocks(rows), groups, 16) multipliers of scale.group.type, from a 64-byte
  // boundary.
  const std::byte* group_scales = nullptr;

  size_t bytes() const { return packed_bytes(format, rows, cols); }
  const uint8_t* row_block(size_t block) const {
    return packed + block * row_block_bytes(format, cols);
  }
};

}  // namespace rotor
