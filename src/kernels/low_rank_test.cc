// SPDX-License-Identifier: Apache-2.0
// The second product of a low-rank adapter against its scalar twin: all tails, types and ranks.
#include <algorithm>

#include "base/half.h"
#include "kernels/kernel_check.h"

namespace rotor {
namespace {

template <typename Element, typename FromFloat>
void check_case(AddLowRank kernel, AddLowRank scalar, size_t rank, size_t n, Values values,
                std::mt19937& random, FromFloat from_float) {
  const size_t stride = n + rank % 3;
  GuardedArray<float> numbers = random_floats(rank * stride, values, random);
  GuardedArray<Element> b((rank - 1) * stride + n);  // the last row ends where the array does
  std::transform(numbers.begin(), numbers.begin() + b.size(), b.begin(), from_float);
  const GuardedArray<float> low = random_floats(rank, values, random);
  GuardedArray<float> out = random_floats(n, values, random);
  GuardedArray<float> expected = out;
  scalar({b.data(), stride, rank, low.data(), -1.5f, n, expected.data()});
  kernel({b.data(), stride, rank, low.data(), -1.5f, n, out.data()});
  expect_same(out, expected, std::to_string(n) + " rows of rank " + std::to_string(rank));
}

template <typename Element, typename FromFloat>
void check_type(AddLowRank kernel, AddLowRank scalar, FromFloat from_float) {
  std::mt19937 random(8);
  for (const Values values : kAllValues) {
    for (const size_t n : test_lengths()) {
      check_case<Element>(kernel, scalar, 1 + n % 17, n, values, random, from_float);
    }
    check_case<Element>(kernel, scalar, 256, 96, values, random, from_float);
  }
}

}  // namespace

void check_kernel(const std::string& name, AddLowRank kernel, AddLowRank scalar) {
  if (name.ends_with("_f32")) {
    check_type<float>(kernel, scalar, [](float value) { return value; });
  } else if (name.ends_with("_bf16")) {
    check_type<uint16_t>(kernel, scalar, float_to_bf16);
  } else {
    check_type<uint16_t>(kernel, scalar, float_to_f16);
  }
}

}  // namespace rotor
