// SPDX-License-Identifier: Apache-2.0
// Trits packed by plain loops written from the description of the layouts (docs/formats/gguf.md,
// docs/formats/safetensors.md): what the readers are tested against.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/half.h"
#include "io/i2s.h"
#include "io/iq_bn.h"
#include "io/ternary_blocks.h"
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

// Where element i of a block of ternary digits lies: byte, and digit from the top, for runs of (bytes,
// digits).
struct DigitPlace {
  size_t byte;
  size_t digit;
};
inline DigitPlace digit_place(const std::vector<std::pair<size_t, size_t>>& runs, size_t i) {
  size_t byte = 0;
  for (const auto& [count, digits] : runs) {
    if (i < count * digits) {
      return {byte + i % count, i / count};
    }
    i -= count * digits;
    byte += count;
  }
  return {byte, 0};
}

// Rows of blocks (io/ternary_blocks.h), block b with scale scales[b]. REQUIRES: whole blocks; trits +1 and
// -1 alone for Q1_0.
inline std::string block_bytes(TernaryBlock block, const std::vector<int8_t>& trits,
                               const std::vector<float>& scales) {
  const TernaryBlockInfo& info = ternary_block_info(block);
  std::string bytes;
  for (size_t begin = 0; begin < trits.size(); begin += info.elements) {
    std::string one(info.bytes, '\0');
    std::vector<unsigned> numbers(info.bytes, 0);  // of base-3 digits
    for (size_t i = 0; i < info.elements; ++i) {
      const int8_t trit = trits[begin + i];
      switch (block) {
        case TernaryBlock::kTQ1_0:
        case TernaryBlock::kPTQ1_0: {
          constexpr unsigned kWeight[] = {81, 27, 9, 3, 1};
          const auto [byte, digit] = block == TernaryBlock::kTQ1_0
                                         ? digit_place({{32, 5}, {16, 5}, {4, 4}}, i)
                                         : digit_place({{16, 5}, {8, 5}, {2, 4}}, i);
          numbers[byte] += static_cast<unsigned>(trit + 1) * kWeight[digit];
          one[byte] = static_cast<char>((numbers[byte] * 256 + 242) / 243);
          break;
        }
        case TernaryBlock::kTQ2_0: put_code(one, i / 128 * 32 + i % 32, trit, i % 128 / 32 * 2); break;
        case TernaryBlock::kQ1_0:
          one[2 + i / 8] = static_cast<char>(one[2 + i / 8] | (trit > 0 ? 1 : 0) << (i % 8));
          break;
        default: put_code(one, 2 + i / 4, trit, i % 4 * 2); break;
      }
    }
    const uint16_t scale = float_to_f16(scales[begin / info.elements]);
    std::memcpy(one.data() + info.scale_at, &scale, sizeof(scale));
    bytes += one;
  }
  return bytes;
}

// Rows of ik_llama.cpp's types (io/iq_bn.h), row r with scale scales[r]. REQUIRES: whole blocks and groups.
inline std::string iq_bn_bytes(IqBn kind, const std::vector<int8_t>& trits, size_t cols,
                               const std::vector<float>& scales) {
  const size_t rows = scales.size();
  const size_t group = kind == IqBn::kIQ2_BN_R4 ? 4 : 1;
  std::string bytes;
  for (size_t first = 0; first < rows; first += group) {
    for (size_t row = first; row < first + group; ++row) {
      if (kind == IqBn::kIQ1_BN) {
        put(bytes, float_to_f16(scales[row]));
      } else {
        put(bytes, scales[row]);
      }
    }
    for (size_t begin = 0; begin < cols; begin += 64) {
      std::string block((kind == IqBn::kIQ1_BN ? 13 : 16) * group, '\0');
      std::vector<unsigned> numbers(13, 0);
      for (size_t row = 0; row < group; ++row) {
        for (size_t i = 0; i < 64; ++i) {
          const int8_t trit = trits[(first + row) * cols + begin + i];
          if (kind == IqBn::kIQ1_BN) {
            constexpr unsigned kWeight[] = {1, 3, 9, 27, 81};
            const size_t within = i % 16;
            const size_t byte = within == 15 ? 12 : i / 16 * 3 + within / 5;
            numbers[byte] +=
                static_cast<unsigned>(trit + 1) * kWeight[within == 15 ? i / 16 : within % 5];
            block[byte] = static_cast<char>((numbers[byte] * 256 + 242) / 243);
          } else if (kind == IqBn::kIQ2_BN) {
            put_code(block, i % 16, trit, i / 16 * 2);
          } else {
            put_code(block, i / 16 * 16 + 4 * row + i % 4, trit, i % 16 / 4 * 2);
          }
        }
      }
      bytes += block;
    }
  }
  return bytes;
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
