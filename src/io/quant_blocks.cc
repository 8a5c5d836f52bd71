// SPDX-License-Identifier: Apache-2.0
// Block decoders. Loads go through memcpy: rows of 34- and 210-byte blocks have no alignment.
#include "io/quant_blocks.h"

#include <cstdint>
#include <cstring>

#include "base/half.h"

namespace rotor {
namespace {

uint16_t load_u16(const std::byte* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// One half of a Q6_K block: 128 values from 64 bytes of low bits, 32 of high bits, 8 scales. Byte l
// of the low bits holds values l and l + 64, byte l + 32 values l + 32 and l + 96; byte l of the
// high bits holds those of all four.
void decode_q6_k_half(const uint8_t* low, const uint8_t* high, const int8_t* scales, float d,
                      float* out) {
  for (size_t l = 0; l < 32; ++l) {
    for (size_t part = 0; part < 4; ++part) {
      const int low_bits = (low[l + part % 2 * 32] >> (part / 2 * 4)) & 15;
      const int high_bits = (high[l] >> (2 * part)) & 3;
      const int q = (low_bits | high_bits << 4) - 32;
      out[l + 32 * part] =
          d * static_cast<float>(scales[l / 16 + 2 * part]) * static_cast<float>(q);
    }
  }
}

// The six bits of scale `s` of eight, and of its minimum, in a Q4_K block: those of the first four are
// bytes 0 to 3 and 4 to 7; of the last four the low nibbles are in bytes 8 to 11, and the high bits above
// those of the first.
struct ScaleAndMin {
  int scale;
  int min;
};
ScaleAndMin q4_k_scale(const uint8_t* bytes, size_t s) {
  if (s < 4) {
    return {bytes[s] & 63, bytes[s + 4] & 63};
  }
  return {(bytes[s + 4] & 15) | bytes[s - 4] >> 6 << 4, bytes[s + 4] >> 4 | bytes[s] >> 6 << 4};
}

}  // namespace

void decode_q4_0_row(const std::byte* row, size_t cols, float* out) {
  constexpr size_t kBlock = 32;
  constexpr size_t kBytes = 18;
  for (size_t begin = 0; begin < cols; begin += kBlock, row += kBytes) {
    const float d = f16_to_float(load_u16(row));
    const auto* q = reinterpret_cast<const uint8_t*>(row + sizeof(uint16_t));
    for (size_t i = 0; i < kBlock / 2; ++i) {
      out[begin + i] = d * static_cast<float>((q[i] & 15) - 8);
      out[begin + i + kBlock / 2] = d * static_cast<float>((q[i] >> 4) - 8);
    }
  }
}

void decode_q4_k_row(const std::byte* row, size_t cols, float* out) {
  constexpr size_t kBlock = 256;
  constexpr size_t kPart = 32;  // values that share a scale and a minimum
  constexpr size_t kBytes = 144;
  for (size_t begin = 0; begin < cols; begin += kBlock, row += kBytes) {
    const float d = f16_to_float(load_u16(row));
    const float d_min = f16_to_float(load_u16(row + 2));
    const auto* scales = reinterpret_cast<const uint8_t*>(row + 4);
    const uint8_t* q = scales + 12;
    for (size_t part = 0; part < kBlock / kPart; ++part) {
      const auto [scale, min] = q4_k_scale(scales, part);
      const float factor = d * static_cast<float>(scale);
      const float offset = d_min * static_cast<float>(min);
      for (size_t i = 0; i < kPart; ++i) {
        const int code = (q[part / 2 * kPart + i] >> (part % 2 * 4)) & 15;
        out[begin + part * kPart + i] = factor * static_cast<float>(code) - offset;
      }
    }
  }
}

void decode_q8_0_row(const std::byte* row, size_t cols, float* out) {
  constexpr size_t kBlock = 32;
  for (size_t begin = 0; begin < cols; begin += kBlock, row += sizeof(uint16_t) + kBlock) {
    const float d = f16_to_float(load_u16(row));
    const auto* q = reinterpret_cast<const int8_t*>(row + sizeof(uint16_t));
    for (size_t i = 0; i < kBlock; ++i) {
      out[begin + i] = static_cast<float>(q[i]) * d;
    }
  }
}

void decode_q6_k_row(const std::byte* row, size_t cols, float* out) {
  constexpr size_t kBlock = 256;
  constexpr size_t kHigh = 128;
  constexpr size_t kScales = 192;
  constexpr size_t kD = 208;
  constexpr size_t kBytes = 210;
  for (size_t begin = 0; begin < cols; begin += kBlock, row += kBytes) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(row);
    const auto* scales = reinterpret_cast<const int8_t*>(row + kScales);
    const float d = f16_to_float(load_u16(row + kD));
    decode_q6_k_half(bytes, bytes + kHigh, scales, d, out + begin);
    decode_q6_k_half(bytes + 64, bytes + kHigh + 32, scales + 8, d, out + begin + 128);
  }
}

void decode_f16_row(const std::byte* row, size_t cols, float* out) {
  for (size_t i = 0; i < cols; ++i) {
    out[i] = f16_to_float(load_u16(row + 2 * i));
  }
}

void decode_bf16_row(const std::byte* row, size_t cols, float* out) {
  for (size_t i = 0; i < cols; ++i) {
    out[i] = bf16_to_float(load_u16(row + 2 * i));
  }
}

}  // namespace rotor
