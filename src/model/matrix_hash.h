// SPDX-License-Identifier: Apache-2.0
// The SHA-256 of one ternary matrix, which no container or layout changes. What is hashed are codes of
// two bits, 0, 1, 3 for 0, +1, -1, four to a byte from the lowest bits up, row by row; each row begins a
// byte, and what is left of its last one is 0. As bytes the trits would take four times as long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/sha256.h"

namespace rotor {

// One thread at a time.
class MatrixHash {
 public:
  explicit MatrixHash(size_t cols) : cols_(cols) {}

  // The next rows: `trits` (rows, cols), row-major, each -1, 0 or 1.
  void update(std::span<const int8_t> trits);
  // 64 hexadecimal digits. Call once.
  std::string hex() { return hash_.hex(); }

 private:
  size_t cols_;
  std::vector<uint8_t> codes_;  // of one update
  Sha256 hash_;
};

}  // namespace rotor
