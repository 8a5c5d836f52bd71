// SPDX-License-Identifier: Apache-2.0
// The checksum of a matrix: its bytes by hand, rows that end inside a byte, and pieces of any size.
#include "model/matrix_hash.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/sha256.h"
#include "io/test_tensors.h"

namespace rotor {
namespace {

std::string hash_of(const std::vector<uint8_t>& bytes) {
  return sha256_hex(std::as_bytes(std::span(bytes)));
}

std::string matrix_hash(const std::vector<int8_t>& trits, size_t cols, size_t rows_at_once) {
  MatrixHash hash(cols);
  const size_t step = rows_at_once * cols;
  for (size_t at = 0; at < trits.size(); at += step) {
    hash.update(std::span(trits).subspan(at, std::min(step, trits.size() - at)));
  }
  return hash.hex();
}

TEST(MatrixHash, HashesTwoBitsATrit) {
  EXPECT_EQ(matrix_hash({0, 1, -1, 1, -1, -1, 0, 0}, 8, 1), hash_of({0b01110100, 0b00001111}));
}

TEST(MatrixHash, EveryRowBeginsAByte) {
  EXPECT_EQ(matrix_hash({1, 0, -1, -1, 1, 1, 0, 0, 0, -1}, 5, 2),
            hash_of({0b11110001, 0b01, 0b00000001, 0b11}));
  EXPECT_NE(matrix_hash({1, 0, 0, 1}, 2, 2), matrix_hash({1, 0, 0, 1}, 4, 1));
  EXPECT_EQ(matrix_hash({1, -1, 0}, 1, 3), hash_of({1, 3, 0}));
}

TEST(MatrixHash, DoesNotDependOnThePieces) {
  for (const size_t cols : {1, 2, 3, 4, 7, 64, 101}) {
    const std::vector<int8_t> trits = test::random_trits(37 * cols);
    const std::string whole = matrix_hash(trits, cols, 37);
    EXPECT_EQ(matrix_hash(trits, cols, 1), whole) << cols;
    EXPECT_EQ(matrix_hash(trits, cols, 16), whole) << cols;
  }
}

TEST(MatrixHash, SeesEveryTrit) {
  const std::vector<int8_t> trits = test::random_trits(6 * 9);
  const std::string before = matrix_hash(trits, 9, 6);
  for (size_t i = 0; i < trits.size(); ++i) {
    std::vector<int8_t> changed = trits;
    changed[i] = static_cast<int8_t>(changed[i] == 1 ? -1 : changed[i] + 1);
    EXPECT_NE(matrix_hash(changed, 9, 6), before) << i;
  }
}

}  // namespace
}  // namespace rotor
