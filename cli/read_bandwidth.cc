// SPDX-License-Identifier: Apache-2.0
#include "read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "base/buffer.h"
#include "base/thread_pool.h"

namespace rotor::cli {
namespace {

constexpr size_t kBytes = size_t{256} << 20;
constexpr size_t kLine = 64;
constexpr size_t kAhead = 4096;  // bytes of prefetch distance

// Reads every byte once; the result only keeps the loads from being removed.
uint64_t read_all(const std::byte* data, size_t bytes) {
  uint64_t sums[8] = {};
  for (size_t at = 0; at < bytes; at += kLine) {
    __builtin_prefetch(data + at + kAhead);  // past the end: no fault, no effect
    uint64_t words[8];
    std::memcpy(words, data + at, kLine);
    for (size_t i = 0; i < 8; ++i) {
      sums[i] ^= words[i];
    }
  }
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
}

}  // namespace

Result<double> measure_read_bandwidth(size_t threads, size_t repeats,
                                      std::vector<std::span<const std::byte>> memory) {
  ThreadPool pool(threads);
  Buffer buffer;
  if (memory.empty()) {
    ROTOR_ASSIGN(buffer, Buffer::allocate(kBytes));
    pool.run([&](size_t i) {  // the reader of a part touches it first
      const Slice part = slice_of(kBytes, kLine, i, threads);
      std::memset(buffer.data() + part.begin, 1, part.end - part.begin);
    });
    memory.push_back({buffer.data(), kBytes});
  }
  size_t bytes = 0;
  for (const std::span<const std::byte> area : memory) {
    bytes += area.size() / kLine * kLine;
  }
  std::atomic<uint64_t> sink{0};
  double best = 0.0;
  for (size_t r = 0; r < repeats; ++r) {
    const auto start = std::chrono::steady_clock::now();
    pool.run([&](size_t i) {
      uint64_t folded = 0;
      for (const std::span<const std::byte> area : memory) {
        const Slice part = slice_of(area.size() / kLine * kLine, kLine, i, threads);
        folded ^= read_all(area.data() + part.begin, part.end - part.begin);
      }
      sink ^= folded;
    });
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(bytes) / seconds.count());
  }
  return best;
}

}  // namespace rotor::cli
