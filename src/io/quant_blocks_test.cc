// SPDX-License-Identifier: Apache-2.0
// Block decoders: Q4_0, Q8_0, Q4_K and Q6_K against encoders written here value by value, halves
// against half.h.
#include "io/quant_blocks.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "base/half.h"

namespace rotor {
namespace {

void put_u16(std::byte* at, uint16_t value) { std::memcpy(at, &value, sizeof(value)); }

TEST(QuantBlocks, Q8_0) {
  std::mt19937 random(1);
  std::vector<std::byte> row(2 * 34);
  std::array<float, 64> expected;
  for (size_t block = 0; block < 2; ++block) {
    const uint16_t d = float_to_f16(0.0371f * static_cast<float>(block + 1));
    put_u16(&row[block * 34], d);
    for (size_t i = 0; i < 32; ++i) {
      const auto q = static_cast<int8_t>(random());
      row[block * 34 + 2 + i] = static_cast<std::byte>(q);
      expected[block * 32 + i] = static_cast<float>(q) * f16_to_float(d);
    }
  }
  std::array<float, 64> out;
  decode_q8_0_row(row.data(), out.size(), out.data());
  EXPECT_EQ(out, expected);
}

TEST(QuantBlocks, Q4_0) {
  std::mt19937 random(3);
  constexpr size_t kBlocks = 3;
  std::vector<std::byte> row(kBlocks * 18);
  std::vector<float> expected(kBlocks * 32);
  for (size_t block = 0; block < kBlocks; ++block) {
    const uint16_t d = float_to_f16(block == 1 ? -0.0371f : 0.25f);
    put_u16(&row[block * 18], d);
    for (size_t i = 0; i < 32; ++i) {
      const unsigned q = random() % 16;
      row[block * 18 + 2 + i % 16] |= static_cast<std::byte>(q << (i / 16 * 4));
      expected[block * 32 + i] = f16_to_float(d) * (static_cast<float>(q) - 8.0f);
    }
  }
  std::vector<float> out(expected.size());
  decode_q4_0_row(row.data(), out.size(), out.data());
  EXPECT_EQ(out, expected);
}

// Scales and minima of eight parts of 32 values: part s < 4 in the low six bits of bytes s and s + 4, the
// others in the nibbles of byte s + 4 and the high two bits of bytes s - 4 and s.
TEST(QuantBlocks, Q4K) {
  std::mt19937 random(4);
  constexpr size_t kBlocks = 5;
  std::vector<std::byte> row(kBlocks * 144);
  std::vector<float> expected(kBlocks * 256);
  for (size_t block = 0; block < kBlocks; ++block) {
    std::byte* const bytes = &row[block * 144];
    const uint16_t d = float_to_f16(0.0123f);
    const uint16_t d_min = float_to_f16(0.31f);
    put_u16(bytes, d);
    put_u16(bytes + 2, d_min);
    std::array<unsigned, 8> scale;
    std::array<unsigned, 8> min;
    for (size_t s = 0; s < 8; ++s) {
      scale[s] = random() % 64;
      min[s] = random() % 64;
      if (s < 4) {
        bytes[4 + s] |= static_cast<std::byte>(scale[s]);
        bytes[8 + s] |= static_cast<std::byte>(min[s]);
      } else {
        bytes[8 + s] |= static_cast<std::byte>((scale[s] & 15) | (min[s] & 15) << 4);
        bytes[s] |= static_cast<std::byte>((scale[s] >> 4) << 6);
        bytes[4 + s] |= static_cast<std::byte>((min[s] >> 4) << 6);
      }
    }
    for (size_t i = 0; i < 256; ++i) {
      const unsigned q = random() % 16;
      const size_t s = i / 32;
      bytes[16 + s / 2 * 32 + i % 32] |= static_cast<std::byte>(q << (s % 2 * 4));
      expected[block * 256 + i] =
          static_cast<float>(static_cast<double>(f16_to_float(d)) * scale[s] * q -
                             static_cast<double>(f16_to_float(d_min)) * min[s]);
    }
  }
  std::vector<float> out(expected.size());
  decode_q4_k_row(row.data(), out.size(), out.data());
  EXPECT_EQ(out, expected);
}

// Element i of a block: half h = i / 128, and within it part p = n / 32, l = n % 32 of n = i % 128.
TEST(QuantBlocks, Q6K) {
  std::mt19937 random(2);
  constexpr size_t kBlocks = 3;
  std::vector<std::byte> row(kBlocks * 210);
  std::vector<float> expected(kBlocks * 256);
  for (size_t block = 0; block < kBlocks; ++block) {
    std::byte* const bytes = &row[block * 210];
    const uint16_t d = float_to_f16(0.0123f);
    put_u16(bytes + 208, d);
    for (size_t i = 0; i < 16; ++i) {
      bytes[192 + i] = static_cast<std::byte>(random());
    }
    for (size_t i = 0; i < 256; ++i) {
      const unsigned q = random() % 64;
      const size_t half = i / 128;
      const size_t part = i % 128 / 32;
      const size_t l = i % 32;
      bytes[half * 64 + part % 2 * 32 + l] |= static_cast<std::byte>((q & 15) << (part / 2 * 4));
      bytes[128 + half * 32 + l] |= static_cast<std::byte>((q >> 4) << (part * 2));
      const auto scale = static_cast<int8_t>(bytes[192 + i / 16]);
      expected[block * 256 + i] = static_cast<float>(static_cast<double>(f16_to_float(d)) * scale *
                                                     (static_cast<int>(q) - 32));
    }
  }
  std::vector<float> out(expected.size());
  decode_q6_k_row(row.data(), out.size(), out.data());
  EXPECT_EQ(out, expected);
}

TEST(QuantBlocks, Halves) {
  std::vector<std::byte> row(2 * 1000 + 1);
  std::vector<float> out(1000);
  for (size_t i = 0; i < 1000; ++i) {
    put_u16(&row[1 + 2 * i], static_cast<uint16_t>(i * 31));
  }
  decode_f16_row(&row[1], 1000, out.data());
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(out[i], f16_to_float(static_cast<uint16_t>(i * 31)));
  }
  decode_bf16_row(&row[1], 1000, out.data());
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(out[i], bf16_to_float(static_cast<uint16_t>(i * 31)));
  }
}

}  // namespace
}  // namespace rotor
