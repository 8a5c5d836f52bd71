// SPDX-License-Identifier: Apache-2.0
// Attention over pages and products with float rows against their scalar twins.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

#include "base/half.h"
#include "kernels/kernel_check.h"

namespace rotor {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Floats as the element type that the kernel's name ends with; of int8 the low bits of their patterns.
GuardedArray<uint8_t> elements(const GuardedArray<float>& values, const std::string& name) {
  const bool wide = ends_with(name, "_f32");
  if (ends_with(name, "_int8")) {
    GuardedArray<uint8_t> bytes(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      bytes[i] = static_cast<uint8_t>(std::bit_cast<uint32_t>(values[i]) >> 4);
    }
    return bytes;
  }
  GuardedArray<uint8_t> bytes(values.size() * (wide ? 4 : 2));
  if (wide) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  const bool bf16 = ends_with(name, "_bf16");
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t half = bf16 ? float_to_bf16(values[i]) : float_to_f16(values[i]);
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  return bytes;
}

void round_to_f16(GuardedArray<float>& values) {
  for (float& value : values) {
    value = f16_to_float(float_to_f16(value));
  }
}

struct Attended {
  explicit Attended(size_t queries, size_t dim)
      : max_score(queries), sum(queries), out(queries * dim) {}
  GuardedArray<float> max_score;
  GuardedArray<float> sum;
  GuardedArray<float> out;
};

// The positions of a page that a row sees.
struct Seen {
  size_t begin;
  size_t end;
};

struct Page {
  std::vector<Seen> rows;
  size_t queries;
  size_t dim;
  float scale;
};

struct Scales {
  GuardedArray<float> keys;
  GuardedArray<float> values;
};

Attended attend(Attend kernel, const Page& page, const GuardedArray<uint8_t>& keys,
                const GuardedArray<uint8_t>& values, const GuardedArray<float>& q,
                const Scales& scales) {
  Attended result(page.rows.size() * page.queries, page.dim);
  std::vector<AttendRow> rows;
  for (const Seen& seen : page.rows) {
    const size_t first = rows.size() * page.queries;
    rows.push_back({seen.begin, seen.end, q.data() + first * page.dim,
                    result.max_score.data() + first, result.sum.data() + first,
                    result.out.data() + first * page.dim});
  }
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  GuardedArray<float> scratch(attend_scratch(page.dim));
  std::fill(scratch.begin(), scratch.end(), kNaN);
  std::fill(result.out.begin(), result.out.end(), kNaN);
  const void* next = page.queries % 2 == 0 ? keys.data() : nullptr;  // which must change nothing
  kernel({keys.data(), values.data(), rows.data(), rows.size(), page.queries, page.dim, page.scale,
          scratch.data(), scales.keys.data(), scales.values.data(), next});
  return result;
}

void check_page(const std::string& name, Attend kernel, Attend scalar, const Page& page,
                Values values, std::mt19937& random) {
  const GuardedArray<float> keys = random_floats(kPagePositions * page.dim, values, random);
  const GuardedArray<float> contents = random_floats(kPagePositions * page.dim, values, random);
  GuardedArray<float> q =
      random_floats(page.rows.size() * page.queries * page.dim, Values::kNormal, random);
  if (ends_with(name, "_f16") || ends_with(name, "_int8")) {
    round_to_f16(q);
  }
  Scales scales = {random_floats(kPagePositions, values, random),
                   random_floats(kPagePositions, values, random)};
  for (size_t j = 0; j < kPagePositions; ++j) {  // scales are not negative
    scales.keys[j] = std::fabs(scales.keys[j]);
    scales.values[j] = std::fabs(scales.values[j]);
  }
  const GuardedArray<uint8_t> k = elements(keys, name);
  const GuardedArray<uint8_t> v = elements(contents, name);
  const Attended got = attend(kernel, page, k, v, q, scales);
  const Attended expected = attend(scalar, page, k, v, q, scales);
  const std::string what = "values " + std::to_string(static_cast<int>(values)) + ", head_dim " +
                           std::to_string(page.dim) + ", " + std::to_string(page.rows.size()) +
                           " rows of " + std::to_string(page.queries) + ", the first [" +
                           std::to_string(page.rows[0].begin) + ", " +
                           std::to_string(page.rows[0].end) + ")";
  expect_same(got.max_score, expected.max_score, what + ", max");
  expect_same(got.sum, expected.sum, what + ", sum");
  expect_same(got.out, expected.out, what + ", out");
}

Seen random_positions(std::mt19937& random) {
  const size_t end = 1 + random() % kPagePositions;
  return {random() % end, end};
}

// Neighbours of a prompt, which see one position more each; with a window they also lose one.
std::vector<Seen> neighbours(size_t rows, bool window, std::mt19937& random) {
  const size_t end = 1 + random() % (kPagePositions + 1 - rows);
  const size_t begin = window ? random() % end : 0;
  std::vector<Seen> result;
  for (size_t i = 0; i < rows; ++i) {
    result.push_back({window ? begin + i : 0, end + i});
  }
  return result;
}

}  // namespace

void check_kernel(const std::string& name, Attend kernel, Attend scalar) {
  std::mt19937 random(8);
  const auto check = [&](const std::vector<Seen>& rows, size_t queries, size_t dim, float scale,
                         Values values) {
    check_page(name, kernel, scalar, {rows, queries, dim, scale}, values, random);
  };
  for (Values values : kAllValues) {
    for (size_t dim : {2, 14, 16, 18, 30, 32, 48, 64, 66, 80, 96, 100, 128, 130, 256, 288}) {
      for (size_t queries : {1, 2, 3, 4, 5}) {
        check({random_positions(random)}, queries, dim, 0.09f, values);
      }
      check(neighbours(1 + random() % 6, false, random), 4, dim, 0.09f, values);
      check(neighbours(1 + random() % 20, true, random), 1, dim, 0.09f, values);
    }
    for (size_t end = 1; end <= kPagePositions; end += 5) {
      check({{0, end}}, 2, 32, 2.0f, values);
      check({{end - 1, kPagePositions}}, 1, 32, 0.5f, values);
    }
    for (size_t rows = 1; rows <= 2 * kAttendRows + 1; ++rows) {
      std::vector<Seen> any;  // which may have nothing in common
      std::generate_n(std::back_inserter(any), rows, [&] { return random_positions(random); });
      for (size_t queries : {1, 3, 4, 7}) {
        check(any, queries, 34, 0.2f, values);
      }
    }
    check(neighbours(3, false, random), 21, 64, 0.2f, values);
  }
}

void check_kernel(const std::string&, AttendMerge kernel, AttendMerge scalar) {
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const float maxima[][2] = {{1.0f, 2.0f},  {2.0f, 1.0f},  {3.0f, 3.0f}, {-200.0f, 5.0f},
                             {5.0f, -90.0f}, {kNaN, 1.0f}, {1.0f, kNaN}, {0.0f, -0.5f}};
  std::mt19937 random(4);
  for (Values values : kAllValues) {
    for (size_t dim = 2; dim <= 130; dim += 2) {
      for (const auto& [m1, m2] : maxima) {
        const GuardedArray<float> out2 = random_floats(dim, values, random);
        GuardedArray<float> out = random_floats(dim, values, random);
        GuardedArray<float> expected_out = out;
        float m = m1;
        float sum = 17.25f;
        float expected_m = m1;
        float expected_sum = 17.25f;
        kernel(&m, &sum, out.data(), m2, 3.1f, out2.data(), dim);
        scalar(&expected_m, &expected_sum, expected_out.data(), m2, 3.1f, out2.data(), dim);
        ASSERT_EQ(float_bits(m), float_bits(expected_m));
        ASSERT_EQ(float_bits(sum), float_bits(expected_sum));
        expect_same(out, expected_out, "merge, head_dim " + std::to_string(dim));
      }
    }
  }
}

void check_kernel(const std::string& name, DotRows kernel, DotRows scalar) {
  std::mt19937 random(6);
  for (Values values : kAllValues) {
    for (size_t cols : test_lengths()) {
      const size_t rows = 1 + cols % 9;
      const size_t batch = 1 + cols % 6;
      const size_t x_stride = cols + 1;
      const size_t out_stride = rows + 2;
      const GuardedArray<uint8_t> w = elements(random_floats(rows * cols, values, random), name);
      const GuardedArray<float> x =
          random_floats((batch - 1) * x_stride + cols, Values::kNormal, random);
      GuardedArray<float> out((batch - 1) * out_stride + rows);
      std::fill(out.begin(), out.end(), -7.0f);
      GuardedArray<float> expected = out;
      kernel({w.data(), rows, cols, x.data(), x_stride, batch, out.data(), out_stride});
      scalar({w.data(), rows, cols, x.data(), x_stride, batch, expected.data(), out_stride});
      expect_same(out, expected, "values " + std::to_string(static_cast<int>(values)) + ", cols " +
                                     std::to_string(cols));
    }
  }
}

}  // namespace rotor
