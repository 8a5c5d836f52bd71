// SPDX-License-Identifier: Apache-2.0
// Encoding trits in the layouts of foreign files, the reverse of io/ternary_blocks.h, io/i2s.h and
// io/hf_packed.h: a row, or a matrix, of plain trits in, the bytes of the file out. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "io/ternary_blocks.h"

namespace rotor {

// Elements of a block of I2_S in the layout 128, and the tail of a tensor: the scale as binary32, then
// zeros.
inline constexpr size_t kI2sBlock = 128;
inline constexpr size_t kI2sTail = 32;

// `blocks` blocks of trits, with a binary16 scale each, to blocks * info.bytes bytes. A block of Q1_0
// holds no zeros. REQUIRES: trits are -1, 0 or 1.
void pack_ternary_blocks(TernaryBlock block, const int8_t* trits, const uint16_t* scales,
                         size_t blocks, uint8_t* out);

// `count` trits to count / 4 bytes. REQUIRES: count is a multiple of kI2sBlock.
void pack_i2s(const int8_t* trits, size_t count, uint8_t* out);

// Puts row `row` of a matrix of `rows` rows into its packed form, ceil(rows / 4) rows of `cols` bytes
// that start out as zeros. Four rows share a byte: not for several threads at once.
void pack_hf_row(const int8_t* trits, size_t row, size_t rows, size_t cols, uint8_t* packed);

}  // namespace rotor
