// SPDX-License-Identifier: Apache-2.0
#include "model/block_scales.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rotor {
namespace {

// The one number beside zeros, 0 where there are but zeros, nullopt where there are several.
std::optional<float> common(std::span<const float> scales) {
  float found = 0.0f;
  for (const float scale : scales) {
    if (scale != 0.0f && found != 0.0f && scale != found) {
      return std::nullopt;
    }
    found = std::max(found, scale);
  }
  return found;
}

}  // namespace

Result<TernaryScale> scale_of_groups(size_t rows, size_t cols, const GroupShape& group,
                                     const ReadScales& read) try {
  const size_t groups = group.groups(cols);
  std::vector<float> scales(rows * groups);
  ROTOR_TRY(read(0, rows, scales.data()));
  TernaryScale result;
  std::vector<float> of_rows;
  for (size_t row = 0; row < rows; ++row) {
    const std::optional<float> one = common(std::span(scales).subspan(row * groups, groups));
    if (!one) {
      result.granularity = TernaryScale::Granularity::kGroup;
      result.group = group;
      return result;
    }
    of_rows.push_back(*one);
  }
  return scale_of_rows(std::move(of_rows));
} catch (const std::bad_alloc&) {
  return out_of_memory("no memory for the scales of a tensor");
}

TernaryScale scale_of_rows(std::vector<float> scales) {
  TernaryScale result;
  const std::optional<float> one = common(scales);
  result.granularity =
      one ? TernaryScale::Granularity::kTensor : TernaryScale::Granularity::kRow;
  result.values = one ? std::vector<float>{*one} : std::move(scales);
  return result;
}

Status FileGroupScales::read(size_t begin, size_t end, float* scales) const {
  const size_t first = begin * kTileRows;
  const size_t last = std::min(end * kTileRows, rows_);
  ROTOR_TRY(read_(first, last, scales));
  float* const read_end = scales + (last - first) * groups_;
  std::fill(read_end, scales + (end - begin) * kTileRows * groups_, 0.0f);
  for (float* scale = scales; scale != read_end; ++scale) {
    *scale *= factor_;
    if (!std::isfinite(*scale)) {
      return format_error(path_ + ": a scale of a group times " + std::to_string(factor_) +
                          " is not finite");
    }
  }
  return {};
}

}  // namespace rotor
