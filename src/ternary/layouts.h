// SPDX-License-Identifier: Apache-2.0
// The functions behind the format table, one set per layout; see TernaryFormatInfo for contracts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace rotor {

void pack_i2(const int8_t* trits, size_t stride, size_t cols, uint8_t* out);
void unpack_i2(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride);
std::optional<size_t> find_invalid_i2(const uint8_t* packed, size_t bytes);

void pack_dense243(const int8_t* trits, size_t stride, size_t cols, uint8_t* out);
void unpack_dense243(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride);
std::optional<size_t> find_invalid_dense243(const uint8_t* packed, size_t bytes);
// The direct way from dense243 to i2: lane by lane on whole tiles, 80 columns at a time.
void repack_dense243_to_i2(const uint8_t* packed, size_t cols, uint8_t* out);

// Bytes are valid as in dense243.
void pack_fold243(const int8_t* trits, size_t stride, size_t cols, uint8_t* out);
void unpack_fold243(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride);
void repack_dense243_to_fold243(const uint8_t* packed, size_t cols, uint8_t* out);

void pack_planes2(const int8_t* trits, size_t stride, size_t cols, uint8_t* out);
void unpack_planes2(const uint8_t* packed, size_t cols, int8_t* trits, size_t stride);
std::optional<size_t> find_invalid_planes2(const uint8_t* packed, size_t bytes);

}  // namespace rotor
