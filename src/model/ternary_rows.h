// SPDX-License-Identifier: Apache-2.0
// TernaryRows: an embedding or head that its file keeps as trits with scales of groups, read as rows of floats.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "model/block_scales.h"
#include "model/weights.h"

namespace rotor {

// Rows [begin, end) of trits, (end - begin, cols); thread-safe.
using ReadTrits = std::function<Status(size_t begin, size_t end, int8_t* trits)>;

class TernaryRows final : public FloatReader {
 public:
  // Rows of `cols` values of `type`, a plain one that holds every scale: so every value is exact.
  // `group` columns share a scale; a row's last group may have fewer.
  TernaryRows(FloatType type, size_t cols, size_t group, ReadTrits trits, ReadScales scales)
      : type_(type), cols_(cols), group_(group), trits_(std::move(trits)), scales_(std::move(scales)) {}

  Status read(size_t begin, size_t end, std::byte* out) const override;

 private:
  FloatType type_;
  size_t cols_;
  size_t group_;
  ReadTrits trits_;
  ReadScales scales_;
};

}  // namespace rotor
