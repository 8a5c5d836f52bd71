// SPDX-License-Identifier: Apache-2.0
// HeadPlane: a coarse form of a language-model head, one byte a weight, and for each row what it
// takes to bound how far a logit of the coarse form is from that of the head (docs/numerics.md). The
// first stage of the two-stage head reads it in place of the head: six bits of every byte, and the rest for
// the rows that these leave in question.
#pragma once

#include <rotor/status.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "kernels/kernel_types.h"

namespace rotor {

// How a model's head is kept.
enum class HeadMode : uint8_t {
  kAuto,      // in two stages when it is too large for caches
  kFull,      // in memory; every logit is computed
  kTwoStage,  // the coarse form in memory, its rows (and those of the embedding) in the file
};

// Whether a head of `bytes` and `cols` columns is kept in two stages.
bool in_two_stages(HeadMode mode, uint64_t bytes, size_t cols);

struct HeadPlane {
  static constexpr size_t kMaxCols = size_t{1} << 16;  // what CodeDots allows

  // Memory that a plane takes.
  static uint64_t bytes(size_t rows, size_t cols);

  // Rows not filled are unusable. REQUIRES: 1 <= cols <= kMaxCols. kOutOfMemory.
  static Result<HeadPlane> allocate(size_t rows, size_t cols);

  // Fills row `row` from its weights w (cols). Rows of different blocks of 16 may be filled by
  // different threads. False when the row cannot be bounded: a weight that is not finite or beyond
  // 2^55 in magnitude.
  bool fill_row(size_t row, const float* w);

  // The codes of 16 rows, as CodeDotsArgs has them.
  const uint8_t* row_block(size_t block) const {
    return codes.as<uint8_t>().data() + block * (padded_cols / kCodeGroupCols * kCodeGroupBytes);
  }
  // The rests of a row, as RestDotsArgs has them.
  const uint8_t* row_rests(size_t row) const {
    return rests.as<uint8_t>().data() + row * rest_bytes();
  }
  size_t rest_bytes() const { return rest_cols / 4; }  // of a row

  size_t rows = 0;             // of the head; 0: there is no plane
  size_t cols = 0;             // of the head
  size_t padded_cols = 0;      // a multiple of 64
  size_t rest_cols = 0;        // a multiple of 256
  // 128 + q = 4 code + rest, with anything in the padding; w is about scale * q.
  Buffer codes;                // (row blocks of 16, padded_cols / 16, 192)
  Buffer rests;                // (rows, rest_cols / 4)
  std::vector<float> scale;    // (rows)
  std::vector<float> error;    // (rows) at least ||w - scale q||
  std::vector<float> coarse_error;  // (rows) at least ||w - scale (4 code + 1.5 - 128)||
  std::vector<float> norm;     // (rows) at least ||w||
};

}  // namespace rotor
