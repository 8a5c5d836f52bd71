// SPDX-License-Identifier: Apache-2.0
// The trit checksum: SHA-256 over the hashes (model/matrix_hash.h) of all ternary matrices of a model,
// layer by layer in the order q, k, v, o, gate, up, down. It does not depend on the container or layout,
// so equal checksums prove a conversion lossless.
#pragma once

#include <rotor/status.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "model/model_source.h"

namespace rotor {

struct TritStatistics {
  std::string sha256;                                // over the hashes of all matrices, in order
  std::vector<std::string> matrix_sha256;            // layer by layer, by role
  std::vector<std::array<uint64_t, 3>> histogram;    // of each matrix: counts of -1, 0, +1
  std::array<uint64_t, 3> total = {0, 0, 0};
  // Of each matrix: which rows, and which columns, hold only zeros.
  std::vector<std::vector<bool>> zero_rows;
  std::vector<std::vector<bool>> zero_cols;

  bool all_zero(size_t layer, LinearRole role) const {
    const auto& counts = histogram[layer * kLinearRoles + static_cast<size_t>(role)];
    return counts[0] + counts[2] == 0;
  }
};

// Channels of the feed-forward of each layer that reach no output: their row of gate or up, or their
// column of down, holds only zeros.
std::vector<size_t> dead_channels(const TritStatistics& trits, size_t layers);

// Bits a trit takes at least in an ideal code for these counts of -1, 0, +1.
double trit_entropy(const std::array<uint64_t, 3>& counts);

// Reads every trit once; matrices are divided over the pool. kCancelled soon after `cancel` is set.
Result<TritStatistics> trit_statistics(const ModelSource& source, ThreadPool& pool,
                                       const ProgressCallback& progress,
                                       const CancelFlag* cancel = nullptr);

}  // namespace rotor
