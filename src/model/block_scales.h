// SPDX-License-Identifier: Apache-2.0
// The scale of a matrix whose file has one for each row or block of a row.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "model/group_scale_reader.h"
#include "ternary/format.h"
#include "ternary/matrix.h"

namespace rotor {

// The scales of rows [begin, end) of a matrix, group by group, all at least 0; thread-safe.
using ReadScales = std::function<Status(size_t begin, size_t end, float* scales)>;

// One scale for the matrix or for each row where those of its groups agree; groups with scale 0 hold
// zeros and agree with any. Otherwise one for each group. A matrix or row of zeros alone has the scale 0.
// Reads all scales of the (rows, cols) matrix; errors of `read`, kOutOfMemory.
Result<TernaryScale> scale_of_groups(size_t rows, size_t cols, const GroupShape& group,
                                     const ReadScales& read);

// The same for scales of rows.
TernaryScale scale_of_rows(std::vector<float> scales);

// Scales that are of groups, times a factor.
class FileGroupScales final : public GroupScaleReader {
 public:
  // Of a matrix of `rows` rows of `groups` groups; `path` is its file, for messages.
  FileGroupScales(size_t rows, size_t groups, float factor, ReadScales read, std::string path)
      : rows_(rows), groups_(groups), factor_(factor), read_(std::move(read)), path_(std::move(path)) {}

  Status read(size_t begin, size_t end, float* scales) const override;

 private:
  size_t rows_;
  size_t groups_;
  float factor_;
  ReadScales read_;
  std::string path_;
};

}  // namespace rotor
