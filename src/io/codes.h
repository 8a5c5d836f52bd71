// SPDX-License-Identifier: Apache-2.0
// Bytes of four 2-bit codes t + 1, in which code 3 stands for nothing: what I2_S and the packed
// tensors of Hugging Face have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace rotor {

// trits[i] = the code in bits shift, shift + 1 of packed[i], less one.
inline void unpack_codes(const uint8_t* packed, size_t count, unsigned shift, int8_t* trits) {
  for (size_t i = 0; i < count; ++i) {
    trits[i] = static_cast<int8_t>(((packed[i] >> shift) & 3) - 1);
  }
}

// Index of the first byte that holds code 3.
std::optional<size_t> find_code_3(const uint8_t* packed, size_t bytes);

}  // namespace rotor
