// SPDX-License-Identifier: Apache-2.0
// The scan of the coarse head against the definition in 64 bits: all tails of rows and vectors, and
// the largest sums.
#include <algorithm>
#include <functional>

#include "kernels/kernel_check.h"

namespace rotor {
namespace {

struct Case {
  size_t row_blocks;
  size_t cols;
  size_t vectors;
  std::function<uint8_t(size_t r, size_t c)> code;
  std::function<int8_t(size_t v, size_t c)> x;
};

// In a group of zeros.
void place(uint8_t code, size_t r, size_t col, uint8_t* group) {
  uint8_t* const bytes = group + 4 * r + col % 4;
  if (col < 12) {
    bytes[col / 4 * 64] |= code;
    return;
  }
  for (size_t j = 0; j < 3; ++j) {
    bytes[64 * j] |= static_cast<uint8_t>((code >> 2 * j & 3) << 6);
  }
}

void check_case(CodeDots kernel, const Case& c) {
  const size_t rows = 16 * c.row_blocks;
  const size_t x_stride = c.cols + 3;
  const size_t out_stride = rows + 5;
  GuardedArray<uint8_t> codes(rows / 16 * c.cols / kCodeGroupCols * kCodeGroupBytes);
  std::fill(codes.begin(), codes.end(), uint8_t{0});
  for (size_t r = 0; r < rows; ++r) {
    for (size_t col = 0; col < c.cols; ++col) {
      place(c.code(r, col), r % 16, col % kCodeGroupCols,
            codes.data() + (r / 16 * c.cols + col) / kCodeGroupCols * kCodeGroupBytes);
    }
  }
  GuardedArray<int8_t> x((c.vectors - 1) * x_stride + c.cols);
  std::fill(x.begin(), x.end(), int8_t{0});
  for (size_t v = 0; v < c.vectors; ++v) {
    for (size_t col = 0; col < c.cols; ++col) {
      x[v * x_stride + col] = c.x(v, col);
    }
  }
  constexpr int32_t kUntouched = 0x5a5a5a5a;
  GuardedArray<int32_t> out((c.vectors - 1) * out_stride + rows);
  std::fill(out.begin(), out.end(), kUntouched);
  kernel({codes.data(), c.row_blocks, c.cols, x.data(), x_stride, c.vectors, out.data(),
          out_stride});
  for (size_t v = 0; v < c.vectors; ++v) {
    for (size_t r = 0; r < std::min(out_stride, out.size() - v * out_stride); ++r) {
      int64_t expected = r < rows ? 0 : kUntouched;
      for (size_t col = 0; r < rows && col < c.cols; ++col) {
        expected += int64_t{c.code(r, col)} * c.x(v, col);
      }
      ASSERT_EQ(out[v * out_stride + r], expected)
          << "vector " << v << " of " << c.vectors << ", row " << r << " of " << rows << ", cols "
          << c.cols;
    }
  }
}

uint32_t hash(size_t a, size_t b, uint32_t seed) {
  uint32_t x = static_cast<uint32_t>(a) * 0x9e3779b1u ^ static_cast<uint32_t>(b) * 0x85ebca6bu ^ seed;
  x ^= x >> 15;
  x *= 0x2c1b3c6du;
  return x ^ x >> 13;
}

Case random_case(size_t row_blocks, size_t cols, size_t vectors) {
  return {row_blocks, cols, vectors,
          [](size_t r, size_t c) { return static_cast<uint8_t>(hash(r, c, 1) % 64); },
          [](size_t v, size_t c) { return static_cast<int8_t>(hash(v, c, 2) % 128 - 64); }};
}

}  // namespace

void check_kernel(const std::string&, CodeDots kernel, CodeDots) {
  for (size_t vectors = 1; vectors <= 40; ++vectors) {
    check_case(kernel, random_case(1 + vectors % 4, 64 * (1 + vectors % 3), vectors));
  }
  for (const size_t vectors : {size_t{2}, size_t{5}, size_t{55}, size_t{64}, size_t{65}}) {
    check_case(kernel, random_case(3, 2560, vectors));
  }
  for (const size_t cols : {size_t{64}, size_t{1} << 16}) {
    for (const int code : {0, 63}) {
      for (const int value : {-64, 63}) {
        check_case(kernel, {1, cols, 6, [=](size_t, size_t) { return static_cast<uint8_t>(code); },
                            [=](size_t, size_t) { return static_cast<int8_t>(value); }});
      }
    }
  }
}

}  // namespace rotor
