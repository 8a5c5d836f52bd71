// SPDX-License-Identifier: Apache-2.0
// Trits packed by plain loops written from the description of the layouts (docs/formats/gguf.md,
// docs/formats/safetensors.md): what the readers are tested against.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "io/i2s.h"
#include "io/test_bytes.h"

namespace rotor::test {

inline std::vector<int8_t> random_trits(size_t count, uint32_t seed = 7) {
  std::mt19937 random(seed);
  std::vector<int8_t> trits(count);
  for (int8_t& trit : trits) {
    trit = static_cast<int8_t>(static_cast<int>(random() % 3) - 1);
  }
  return trits;
}

inline void put_code(std::string& bytes, size_t at, int8_t trit, size_t shift) {
  bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) |
                                static_cast<unsigned>(trit + 1) << shift);
}

// Where code `i` of the flattened (rows, cols) matrix lies in an I2_S tensor: byte and shift.
inline std::pair<size_t, size_t> i2s_place(I2sLayout layout, size_t i, size_t cols) {
  if (layout == I2sLayout::k1x4) {
    const size_t row = i / cols;
    return {row / 4 * cols + i % cols, 6 - 2 * (row % 4)};
  }
  const size_t block = layout == I2sLayout::k128 ? 128 : 64;
  const size_t quarter = block / 4;
  const size_t within = i % block;
  return {i / block * quarter + within % quarter, 6 - 2 * (within / quarter)};
}

// An I2_S tensor. REQUIRES: trits are whole blocks of the layout.
inline std::string i2s_bytes(const std::vector<int8_t>& trits, size_t cols, I2sLayout layout,
                             float scale) {
  std::string bytes(trits.size() / 4, '\0');
  for (size_t i = 0; i < trits.size(); ++i) {
    const auto [at, shift] = i2s_place(layout, i, cols);
    put_code(bytes, at, trits[i], shift);
  }
  put(bytes, scale);
  return bytes + std::string(28, '\x5a');  // published files have leftovers here
}

// The packed U8 tensor of a Hugging Face checkpoint, (ceil(rows / 4), cols) bytes.
inline std::string hf_packed_bytes(const std::vector<int8_t>& trits, size_t cols) {
  const size_t packed_rows = (trits.size() / cols + 3) / 4;
  std::string bytes(packed_rows * cols, '\0');
  for (size_t i = 0; i < trits.size(); ++i) {
    const size_t row = i / cols;
    put_code(bytes, row % packed_rows * cols + i % cols, trits[i], 2 * (row / packed_rows));
  }
  return bytes;
}

}  // namespace rotor::test
