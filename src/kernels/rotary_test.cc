// SPDX-License-Identifier: Apache-2.0
// Rotary angles against the mathematics library in extended precision, and against frozen bits: they
// may never change, on no machine.
#include "kernels/rotary.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

namespace rotor {
namespace {

// Distance of `got` from the exact value in units of the last place of `got`.
double ulps(float got, long double exact) {
  const float magnitude = std::fabs(got);
  const float ulp = std::nextafter(magnitude, INFINITY) - magnitude;
  return static_cast<double>(std::fabs(static_cast<long double>(got) - exact) / ulp);
}

TEST(Rotary, InverseFrequenciesFollowTheReference) {
  for (double theta : {10000.0, 500000.0, 1000042.0, 1e6}) {
    for (size_t head_dim : {2, 32, 64, 80, 96, 128, 256}) {
      std::vector<float> inv_freq(head_dim / 2);
      rotary_inverse_frequencies(theta, head_dim, inv_freq.data());
      for (size_t i = 0; i < inv_freq.size(); ++i) {
        const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
        const float power =
            static_cast<float>(powl(static_cast<long double>(theta), exponent));
        EXPECT_EQ(inv_freq[i], 1.0f / power) << theta << " " << head_dim << " " << i;
      }
    }
  }
}

TEST(Rotary, SineAndCosineAreRoundedCorrectly) {
  double worst = 0;
  for (uint32_t position = 0; position < (1u << 24); position += position < 70000 ? 1 : 9973) {
    const float inv_freq[] = {1.0f, 0.8145f, 0.0371f, 2.1e-6f};
    float cos[4];
    float sin[4];
    rotary_angles(position, inv_freq, 4, cos, sin);
    for (int i = 0; i < 4; ++i) {
      const long double angle = static_cast<float>(position) * inv_freq[i];
      worst = std::max(worst, ulps(cos[i], cosl(angle)));
      worst = std::max(worst, ulps(sin[i], sinl(angle)));
    }
  }
  EXPECT_LT(worst, 0.500001);
}

TEST(Rotary, PositionZeroDoesNotTurn) {
  const float inv_freq[] = {1.0f, 1e-6f};
  float cos[2];
  float sin[2];
  rotary_angles(0, inv_freq, 2, cos, sin);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(cos[i], 1.0f);
    EXPECT_EQ(sin[i], 0.0f);
  }
}

// FNV-1a over the bits of a whole table.
uint64_t table_hash() {
  float inv_freq[64];
  rotary_inverse_frequencies(500000.0, 128, inv_freq);
  uint64_t hash = 14695981039346656037u;
  const auto add = [&hash](float value) {
    hash = (hash ^ std::bit_cast<uint32_t>(value)) * 1099511628211u;
  };
  for (uint32_t position = 0; position < 4096; position += 13) {
    float cos[64];
    float sin[64];
    rotary_angles(position, inv_freq, 64, cos, sin);
    for (int i = 0; i < 64; ++i) {
      add(cos[i]);
      add(sin[i]);
    }
  }
  return hash;
}

TEST(Rotary, FrozenBits) { EXPECT_EQ(table_hash(), 17909801288741985976u); }

}  // namespace
}  // namespace rotor
