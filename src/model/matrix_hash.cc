// SPDX-License-Identifier: Apache-2.0
#include "model/matrix_hash.h"

#include <cstring>

namespace rotor {
namespace {

constexpr size_t kTritsPerByte = 4;

// A trit's lowest two bits are its code.
uint8_t pack(const int8_t* trits) {
  uint32_t four;
  std::memcpy(&four, trits, sizeof four);
  four &= 0x03030303u;
  return static_cast<uint8_t>(four | four >> 6 | four >> 12 | four >> 18);
}

}  // namespace

void MatrixHash::update(std::span<const int8_t> trits) {
  const size_t rows = trits.size() / cols_;
  const size_t whole = cols_ / kTritsPerByte;
  const size_t row_bytes = (cols_ + kTritsPerByte - 1) / kTritsPerByte;
  codes_.resize(rows * row_bytes);
  for (size_t row = 0; row < rows; ++row) {
    const int8_t* in = trits.data() + row * cols_;
    uint8_t* out = codes_.data() + row * row_bytes;
    for (size_t i = 0; i < whole; ++i) {
      out[i] = pack(in + kTritsPerByte * i);
    }
    if (whole < row_bytes) {
      int8_t last[kTritsPerByte] = {};
      std::memcpy(last, in + kTritsPerByte * whole, cols_ - kTritsPerByte * whole);
      out[whole] = pack(last);
    }
  }
  hash_.update(std::as_bytes(std::span(codes_)));
}

}  // namespace rotor
