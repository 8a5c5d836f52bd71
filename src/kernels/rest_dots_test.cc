// SPDX-License-Identifier: Apache-2.0
// What the scan of the coarse head left out of a row, against the definition in 64 bits: random rows,
// and the largest sums.
#include <algorithm>
#include <functional>
#include <random>

#include "kernels/kernel_check.h"

namespace rotor {
namespace {

void check_case(RestDots kernel, size_t cols, const std::function<unsigned()>& rest,
                const std::function<int()>& value) {
  const size_t x_stride = cols + 5;
  GuardedArray<uint8_t> rests(cols / 4);
  GuardedArray<int8_t> x(x_stride + cols);
  GuardedArray<int32_t> out(2);
  std::fill(rests.begin(), rests.end(), uint8_t{0});
  std::generate(x.begin(), x.end(), [&] { return static_cast<int8_t>(value()); });
  int64_t expected[2] = {};
  for (size_t c = 0; c < cols; ++c) {
    const unsigned left = rest();
    rests[c / 256 * 64 + c % 64] |= static_cast<uint8_t>(left << 2 * (c % 256 / 64));
    expected[0] += int64_t{left} * x[c];
    expected[1] += int64_t{left} * x[x_stride + c];
  }
  kernel({rests.data(), cols, x.data(), x_stride, out.data()});
  ASSERT_EQ(out[0], expected[0]) << "cols " << cols;
  ASSERT_EQ(out[1], expected[1]) << "cols " << cols;
}

}  // namespace

void check_kernel(const std::string&, RestDots kernel, RestDots) {
  std::mt19937 random(3);
  std::uniform_int_distribution<unsigned> any_rest(0, 3);
  std::uniform_int_distribution<int> any_value(-64, 63);
  for (const size_t cols : {256, 512, 768, 2560, 1 << 16}) {
    check_case(kernel, cols, [&] { return any_rest(random); }, [&] { return any_value(random); });
    for (const int extreme : {-64, 63}) {
      check_case(kernel, cols, [] { return 3u; }, [=] { return extreme; });
    }
  }
}

}  // namespace rotor
