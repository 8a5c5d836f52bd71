// SPDX-License-Identifier: Apache-2.0
// The tokens of large noise against their definition, bit by bit: all tails, every number of zeros that
// occurs, keys with all kinds of words, ids up to the last.
#include <algorithm>

#include "base/philox.h"
#include "kernels/kernel_check.h"

namespace rotor {
namespace {

void check_case(LargeNoise kernel, LargeNoiseArgs args) {
  std::vector<uint32_t> expected;
  for (uint32_t i = 0; i < args.count; ++i) {
    const uint64_t bits = philox_bits({args.first + i, args.position, args.sample, 0}, args.seed);
    if (args.zeros == 0 || bits >> (64 - args.zeros) == 0) {
      expected.push_back(i);
    }
  }
  GuardedArray<uint32_t> found(args.count);
  std::fill(found.begin(), found.end(), 0x5a5a5a5au);
  args.found = found.data();
  const size_t count = kernel(args);
  const std::string what = std::to_string(args.count) + " tokens from " +
                           std::to_string(args.first) + ", zeros " + std::to_string(args.zeros);
  ASSERT_EQ(std::vector<uint32_t>(found.begin(), found.begin() + std::min<size_t>(count, args.count)),
            expected)
      << what;
  ASSERT_EQ(count, expected.size()) << what;
}

}  // namespace

void check_kernel(const std::string&, LargeNoise kernel, LargeNoise) {
  constexpr uint32_t kAll = 0xffffffffu;
  for (uint32_t count = 0; count <= 70; ++count) {
    for (const int zeros : {0, 1, 3, 64}) {
      check_case(kernel, {9, 1, count, 5, count, zeros, nullptr});
    }
  }
  for (int zeros = 0; zeros <= 64; ++zeros) {
    check_case(kernel, {uint64_t{kAll} << 32 | 7, 2, 40, 1000, 3000, zeros, nullptr});
  }
  for (const uint32_t word : {0u, 1u, 0x80000000u, kAll}) {
    const uint64_t seed = uint64_t{word} << 32 | (word ^ 77);
    check_case(kernel, {seed, word, 3, 0, 500, 2, nullptr});
    check_case(kernel, {seed, 3, word, kAll - 499, 500, 2, nullptr});
  }
  check_case(kernel, {1, 0, 0, 0, 1u << 18, 17, nullptr});
  check_case(kernel, {1, 0, 0, 0, 1u << 18, 18, nullptr});
}

}  // namespace rotor
