// SPDX-License-Identifier: Apache-2.0
// exp of every finite negative binary32 number: the levels of this machine against scalar, bit for
// bit, and scalar against the mathematics library in binary64. Prints the largest error in ulp; fails
// on a difference or an error of 1 ulp or more.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/scalar/arithmetic.h"

namespace rotor {
namespace {

struct Range {
  uint32_t begin;
  uint32_t end;
};

struct Findings {
  double worst_ulp = 0;
  float worst_at = 0;
  uint64_t differences = 0;
};

Findings examine(Range range, const std::vector<const KernelTable*>& tables) {
  Findings findings;
  for (uint32_t bits = range.begin; bits < range.end; ++bits) {
    const float x = std::bit_cast<float>(bits);
    const float expected = kernels::exp_nonpositive(x);
    for (const KernelTable* table : tables) {
      const float got = table->exp_sum(&x, 1, 0.0f);
      if (std::bit_cast<uint32_t>(got) != std::bit_cast<uint32_t>(expected)) {
        ++findings.differences;
      }
    }
    if (x >= kernels::kExpCutoff) {
      const double exact = std::exp(static_cast<double>(x));
      const uint64_t exponent = std::bit_cast<uint64_t>(exact) & 0x7ff0000000000000u;
      const double ulp = std::bit_cast<double>(exponent) * 0x1p-23;
      const double error = std::fabs(expected - exact) / ulp;
      if (error > findings.worst_ulp) {
        findings.worst_ulp = error;
        findings.worst_at = x;
      }
    }
  }
  return findings;
}

int run() {
  std::vector<const KernelTable*> tables;
  ExpSum last = kernel_table(IsaLevel::kScalar).exp_sum;
  for (int i = 1; i <= static_cast<int>(IsaLevel::kI8mm); ++i) {
    const IsaLevel level = static_cast<IsaLevel>(i);
    if (cpu_features().supports(level) && kernel_table(level).exp_sum != last) {
      tables.push_back(&kernel_table(level));
      last = tables.back()->exp_sum;
      std::printf("exp at level %s\n", std::string(isa_name(level)).c_str());
    }
  }
  constexpr uint32_t kFirst = 0x80000000u;  // -0
  constexpr uint32_t kLast = 0xff800000u;   // -infinity, not included
  constexpr uint32_t kPiece = 1u << 22;
  std::atomic<uint32_t> next{kFirst};
  std::vector<Findings> results(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::thread> threads;
  for (Findings& result : results) {
    threads.emplace_back([&] {
      for (;;) {
        const uint32_t begin = next.fetch_add(kPiece);
        if (begin >= kLast || begin < kFirst) {
          return;
        }
        const Findings piece = examine({begin, std::min(kLast, begin + kPiece)}, tables);
        result.differences += piece.differences;
        if (piece.worst_ulp > result.worst_ulp) {
          result.worst_ulp = piece.worst_ulp;
          result.worst_at = piece.worst_at;
        }
      }
    });
  }
  Findings all;
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i].join();
    all.differences += results[i].differences;
    if (results[i].worst_ulp > all.worst_ulp) {
      all.worst_ulp = results[i].worst_ulp;
      all.worst_at = results[i].worst_at;
    }
  }
  std::printf("%u inputs, %zu levels: %llu differences from scalar; worst error %.6f ulp at %a\n",
              kLast - kFirst, tables.size(), static_cast<unsigned long long>(all.differences),
              all.worst_ulp, static_cast<double>(all.worst_at));
  return all.differences == 0 && all.worst_ulp < 1.0 ? 0 : 1;
}

}  // namespace
}  // namespace rotor

int main() { return rotor::run(); }
