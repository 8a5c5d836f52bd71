// SPDX-License-Identifier: Apache-2.0
#include "integer_peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace rotor::cli {
namespace {

constexpr double kRoundSeconds = 0.02;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

double measure_integer_peak(size_t threads, IsaLevel isa, size_t repeats) {
  const IntegerPeak kernel = kernel_table(isa).integer_peak;
  ThreadPool pool(threads);
  double best = 0.0;
  for (size_t r = 0; r < repeats; ++r) {
    std::atomic<uint64_t> products{0};
    const Clock::time_point start = Clock::now();
    pool.run([&](size_t) {
      uint64_t mine = 0;
      for (uint64_t rounds = 1; seconds_since(start) < kRoundSeconds;) {  // grows to some ms a call
        mine += kernel(rounds);
        rounds = std::min(2 * rounds, kMostPeakRounds / 16);
      }
      products += mine;
    });
    best = std::max(best, 2.0 * static_cast<double>(products) / seconds_since(start));
  }
  return best;
}

}  // namespace rotor::cli
