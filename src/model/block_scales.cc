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

Result<TernaryScale> scale_of_blocks(const TernaryBlockTensor& tensor) try {
  const size_t blocks = tensor.cols() / tensor.info().elements;
  std::vector<float> scales(tensor.rows() * blocks);
  ROTOR_TRY(tensor.read_scales(0, tensor.rows(), scales.data()));
  TernaryScale result;
  std::vector<float> of_rows;
  for (size_t row = 0; row < tensor.rows(); ++row) {
    const std::optional<float> one = common(std::span(scales).subspan(row * blocks, blocks));
    if (!one) {
      result.granularity = TernaryScale::Granularity::kGroup;
      result.group = {tensor.info().elements, GroupScaleType::kF16};
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

Status BlockGroupScales::read(size_t begin, size_t end, float* scales) const {
  const size_t groups = tensor_.cols() / tensor_.info().elements;
  const size_t first = begin * kTileRows;
  const size_t last = std::min<size_t>(end * kTileRows, tensor_.rows());
  ROTOR_TRY(tensor_.read_scales(first, last, scales));
  float* const read_end = scales + (last - first) * groups;
  std::fill(read_end, scales + (end - begin) * kTileRows * groups, 0.0f);
  for (float* scale = scales; scale != read_end; ++scale) {
    *scale *= factor_;
    if (!std::isfinite(*scale)) {
      return format_error(file_->file().path() + ": a scale of a group times " +
                          std::to_string(factor_) + " is not finite");
    }
  }
  return {};
}

}  // namespace rotor
