// SPDX-License-Identifier: Apache-2.0
// The scale of a matrix whose file has one for each row or block of a row.
#pragma once

#include <rotor/status.h>

#include <memory>
#include <vector>

#include "io/ternary_blocks.h"
#include "model/group_scale_reader.h"
#include "ternary/matrix.h"

namespace rotor {

// One scale for the matrix or for each row where those of the blocks agree; blocks with scale 0 hold
// zeros and agree with any. Otherwise one for each group of a block's columns. A matrix or row of zeros
// alone has the scale 0. Reads the whole tensor; kFormatError for a scale that is none, kOutOfMemory.
Result<TernaryScale> scale_of_blocks(const TernaryBlockTensor& tensor);

// The same for scales of rows.
TernaryScale scale_of_rows(std::vector<float> scales);

// The scales of the blocks, times a factor, where they are of groups.
class BlockGroupScales final : public GroupScaleReader {
 public:
  // `file` is the one that `tensor` reads.
  BlockGroupScales(TernaryBlockTensor tensor, float factor, std::shared_ptr<const GgufFile> file)
      : tensor_(std::move(tensor)), factor_(factor), file_(std::move(file)) {}

  Status read(size_t begin, size_t end, float* scales) const override;

 private:
  TernaryBlockTensor tensor_;
  float factor_;
  std::shared_ptr<const GgufFile> file_;
};

}  // namespace rotor
