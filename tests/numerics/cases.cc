// SPDX-License-Identifier: Apache-2.0
// Inputs from a counter-based integer hash, and the comparison lines.
#include "cases.h"

#include <bit>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/half.h"

namespace rotor::numerics {
namespace {

// SplitMix64.
uint64_t mixed(uint64_t index) {
  uint64_t z = (index + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Values with 24 random bits in (-1, 1), times 2^e with e in [0, spread].
std::vector<float> values(size_t n, uint64_t seed, unsigned spread) {
  std::vector<float> result(n);
  for (size_t i = 0; i < n; ++i) {
    const uint64_t bits = mixed(seed * 1000003 + i);
    const int32_t mantissa = static_cast<int32_t>(bits & 0x1ffffff) - 0x1000000;
    const int exponent = static_cast<int>((bits >> 32) % (spread + 1)) - 24;
    result[i] = std::ldexp(static_cast<float>(mantissa), exponent);
  }
  return result;
}

void round_to_half(std::vector<float>& list) {
  for (float& value : list) {
    value = f16_to_float(float_to_f16(value));
  }
}

}  // namespace

std::vector<VectorCase> dot_cases() {
  std::vector<VectorCase> cases;
  for (size_t n : {1, 2, 15, 16, 17, 100, 255, 256, 257, 512, 1000, 2560, 6912}) {
    const std::string length = std::to_string(n);
    cases.push_back({"dot " + length, values(n, n, 10), values(n, n + 1, 10)});
    cases.push_back({"sum " + length, values(n, n + 2, 20), std::vector<float>(n, 1.0f)});
  }
  VectorCase tiny = {"dot of subnormal products", values(600, 5, 0), values(600, 6, 0)};
  for (size_t i = 0; i < 600; ++i) {
    tiny.a[i] *= 0x1p-70f;
    tiny.b[i] *= 0x1p-70f;
  }
  cases.push_back(tiny);
  VectorCase huge = {"dot that overflows", values(600, 7, 0), values(600, 8, 0)};
  huge.a[300] = 0x1p100f;
  huge.b[300] = 0x1p100f;
  cases.push_back(huge);
  return cases;
}

std::vector<float> exp_inputs() {
  std::vector<float> inputs = {0.0f, -0.0f, -87.0f, -0x1.5c0002p+6f,
                               -std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::quiet_NaN()};
  for (uint32_t bits = 0x80000000u; bits < 0xc2c00000u; bits += 16411) {
    inputs.push_back(std::bit_cast<float>(bits));
  }
  return inputs;
}

std::vector<PageCase> page_cases() {
  std::vector<PageCase> cases;
  for (bool half : {true, false}) {
    for (size_t dim : {32, 66, 128}) {
      for (auto [begin, end] : {std::pair<size_t, size_t>{0, 256}, {0, 1}, {3, 250}, {255, 256}}) {
        const uint64_t seed = 100 * dim + begin;
        PageCase page = {"", half, dim, begin, end, 0.3f, values(dim, seed, 2),
                         values(256 * dim, seed + 1, 2), values(256 * dim, seed + 2, 4)};
        if (half) {
          for (auto* list : {&page.q, &page.keys, &page.values}) {
            round_to_half(*list);
          }
        }
        page.name = std::string(half ? "page f16" : "page f32") + " dim " + std::to_string(dim) +
                    " [" + std::to_string(begin) + ", " + std::to_string(end) + ")";
        cases.push_back(page);
      }
    }
    PageCase overflow = cases.back();
    overflow.name = std::string("page with an infinite score ") + (half ? "f16" : "f32");
    overflow.begin = 250;
    overflow.keys[252 * overflow.head_dim] = std::numeric_limits<float>::infinity();
    cases.push_back(overflow);
  }
  return cases;
}

std::vector<VectorCase> norm_cases() {
  std::vector<VectorCase> cases;
  for (size_t n : {1, 80, 256, 700, 2560}) {
    cases.push_back({"norm " + std::to_string(n), values(n, 50 + n, 6), values(n, 51 + n, 1)});
  }
  return cases;
}

std::vector<uint16_t> to_patterns(const std::vector<float>& list) {
  std::vector<uint16_t> patterns(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    patterns[i] = float_to_f16(list[i]);
  }
  return patterns;
}

void print_line(const std::string& name, const std::vector<float>& results) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (float value : results) {
    const uint32_t bits = value != value ? 0x7fc00000u : std::bit_cast<uint32_t>(value);
    hash = (hash ^ bits) * 1099511628211u;
  }
  std::printf("%s: %016" PRIx64 "\n", name.c_str(), hash);
}

}  // namespace rotor::numerics
