// SPDX-License-Identifier: Apache-2.0
// Rows of embeddings in the block formats of ggml, decoded to binary32 exactly as ggml does it.
#pragma once

#include <cstddef>

namespace rotor {

// Blocks of 32: binary16 scale d, then 32 int8 q; value = q * d. 34 bytes.
// REQUIRES: cols is a multiple of 32 and `row` has cols / 32 * 34 bytes.
void decode_q8_0_row(const std::byte* row, size_t cols, float* out);

// Blocks of 32: binary16 d, 16 bytes of 4-bit q, element i and i + 16 in byte i; value = d * (q - 8).
// REQUIRES: cols is a multiple of 32 and `row` has cols / 32 * 18 bytes.
void decode_q4_0_row(const std::byte* row, size_t cols, float* out);

// Blocks of 256: binary16 d and dmin, 12 bytes with 8 pairs of 6 bits (scale, min), 128 bytes of 4-bit q;
// value = d * scale * q - dmin * min, of which only the difference rounds in binary32 (11 + 6 + 4 and
// 11 + 6 significant bits). 144 bytes. REQUIRES: cols is a multiple of 256 and `row` has cols / 256 * 144
// bytes.
void decode_q4_k_row(const std::byte* row, size_t cols, float* out);

// Blocks of 256: 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 int8 scales, binary16 d;
// value = d * scale * (q - 32), exact in binary32 (11 + 7 + 6 significant bits). 210 bytes.
// REQUIRES: cols is a multiple of 256 and `row` has cols / 256 * 210 bytes.
void decode_q6_k_row(const std::byte* row, size_t cols, float* out);

// `row` has 2 * cols bytes; any alignment.
void decode_f16_row(const std::byte* row, size_t cols, float* out);
void decode_bf16_row(const std::byte* row, size_t cols, float* out);

}  // namespace rotor
