// SPDX-License-Identifier: Apache-2.0
#include "io/trit_packing.h"

#include <cstring>

namespace rotor {
namespace {

uint8_t code(int8_t trit) { return static_cast<uint8_t>(trit + 1); }

// `count` bytes of `digits` digits: digit n of byte m is element n * count + m, the first the most
// significant. A byte of four digits has a fifth that is 0.
struct Run {
  size_t count;
  size_t digits;
};

// A number of five base-3 digits, 0 to 242, becomes ceil(256 q / 243), at most 255.
template <size_t kRuns>
void pack_base3(const int8_t* trits, const Run (&runs)[kRuns], uint8_t* out) {
  for (const Run& run : runs) {
    for (size_t m = 0; m < run.count; ++m) {
      unsigned number = 0;
      for (size_t n = 0; n < 5; ++n) {
        number = 3 * number + (n < run.digits ? code(trits[n * run.count + m]) : 0u);
      }
      *out++ = static_cast<uint8_t>((number * 256 + 242) / 243);
    }
    trits += run.count * run.digits;
  }
}

// `bytes` bytes of four codes from the lowest bits up, of elements `step` apart.
void pack_codes(const int8_t* trits, size_t bytes, size_t step, size_t next, uint8_t* out) {
  for (size_t i = 0; i < bytes; ++i) {
    const int8_t* first = trits + i * next;
    out[i] = static_cast<uint8_t>(code(first[0]) | code(first[step]) << 2 |
                                  code(first[2 * step]) << 4 | code(first[3 * step]) << 6);
  }
}

void pack_trits(TernaryBlock block, const int8_t* trits, uint8_t* out) {
  switch (block) {
    case TernaryBlock::kTQ1_0:
      pack_base3(trits, {{32, 5}, {16, 5}, {4, 4}}, out);
      return;
    case TernaryBlock::kPTQ1_0:
      pack_base3(trits, {{16, 5}, {8, 5}, {2, 4}}, out);
      return;
    case TernaryBlock::kTQ2_0:
      pack_codes(trits, 32, 32, 1, out);
      pack_codes(trits + 128, 32, 32, 1, out + 32);
      return;
    case TernaryBlock::kQ2_0_64:
      pack_codes(trits, 16, 1, 4, out);
      return;
    case TernaryBlock::kQ2_0_128:
    case TernaryBlock::kPQ2_0:
      pack_codes(trits, 32, 1, 4, out);
      return;
    case TernaryBlock::kQ1_0: break;
  }
  for (size_t i = 0; i < ternary_block_info(block).elements; i += 8) {
    unsigned byte = 0;
    for (unsigned bit = 0; bit < 8; ++bit) {
      byte |= (trits[i + bit] > 0 ? 1u : 0u) << bit;
    }
    out[i / 8] = static_cast<uint8_t>(byte);
  }
}

}  // namespace

void pack_ternary_blocks(TernaryBlock block, const int8_t* trits, const uint16_t* scales,
                         size_t blocks, uint8_t* out) {
  const TernaryBlockInfo& info = ternary_block_info(block);
  for (size_t i = 0; i < blocks; ++i) {
    uint8_t* const bytes = out + i * info.bytes;
    pack_trits(block, trits + i * info.elements,
               info.scale_at == 0 ? bytes + sizeof(uint16_t) : bytes);
    std::memcpy(bytes + info.scale_at, &scales[i], sizeof(uint16_t));
  }
}

void pack_i2s(const int8_t* trits, size_t count, uint8_t* out) {
  constexpr size_t kQuarter = kI2sBlock / 4;
  for (size_t at = 0; at < count; at += kI2sBlock, trits += kI2sBlock, out += kQuarter) {
    for (size_t g = 0; g < kQuarter; ++g) {
      out[g] = static_cast<uint8_t>(code(trits[g]) << 6 | code(trits[kQuarter + g]) << 4 |
                                    code(trits[2 * kQuarter + g]) << 2 |
                                    code(trits[3 * kQuarter + g]));
    }
  }
}

void pack_hf_row(const int8_t* trits, size_t row, size_t rows, size_t cols, uint8_t* packed) {
  const size_t packed_rows = (rows + 3) / 4;
  const size_t shift = 2 * (row / packed_rows);
  uint8_t* const out = packed + row % packed_rows * cols;
  for (size_t k = 0; k < cols; ++k) {
    out[k] = static_cast<uint8_t>(out[k] | code(trits[k]) << shift);
  }
}

}  // namespace rotor
