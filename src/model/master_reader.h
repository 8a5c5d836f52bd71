// SPDX-License-Identifier: Apache-2.0
// Float weights read as trits. Masters are ternarised by the rule of BitNet b1.58 (transformers,
// integrations/bitnet.py, WeightQuant): s = 1 / max(mean|W|, 1e-5) over the whole matrix,
// t = clamp(round_half_even(W * s), -1, 1), weight = t / s. Arithmetic in binary32; the mean in
// binary64, row by row.
#pragma once

#include <rotor/status.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "model/trit_reader.h"
#include "model/weights.h"
#include "ternary/matrix.h"

namespace rotor {

// Fills `out` with bytes of the matrix from `offset`; thread-safe.
using ReadBytes = std::function<Status(uint64_t offset, std::span<std::byte> out)>;

struct MasterMatrix {
  std::unique_ptr<TritReader> trits;
  TernaryScale scale;
};

// A row-major (rows, cols) matrix of kF32, kF16 or kBf16 values. Reads it once to find the scale.
// kFormatError, naming `tensor` and the byte, for a value that is not finite.
Result<MasterMatrix> open_master(const std::string& tensor, FloatType type, size_t rows,
                                 size_t cols, ReadBytes read);

}  // namespace rotor
