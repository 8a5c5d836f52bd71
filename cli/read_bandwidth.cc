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

// How memory is read. Which way is the fastest depends on the machine and on how many threads read.
struct Pattern {
  size_t streams;  // 1 or 2
  size_t ahead;    // bytes of prefetch distance
};
constexpr Pattern kPatterns[] = {{1, 512}, {1, 2048}, {1, 4096}, {2, 512}, {2, 1024}, {2, 4096}};

// Reads every line once; the result only keeps the loads from being removed.
uint64_t read_all(const std::byte* data, size_t bytes, const Pattern& pattern) {
  uint64_t sums[8] = {};
  const auto read_line = [&](const std::byte* line) {
    __builtin_prefetch(line + pattern.ahead);  // past the end: no fault, no effect
    uint64_t words[8];
    std::memcpy(words, line, kLine);
    for (size_t i = 0; i < 8; ++i) {
      sums[i] ^= words[i];
    }
  };
  const size_t stream = bytes / pattern.streams / kLine * kLine;
  for (size_t at = 0; at < stream; at += kLine) {
    read_line(data + at);
    if (pattern.streams == 2) {
      read_line(data + stream + at);
    }
  }
  for (size_t at = stream * pattern.streams; at < bytes; at += kLine) {
    read_line(data + at);
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
  const auto seconds = [&](const Pattern& pattern) {
    const auto start = std::chrono::steady_clock::now();
    pool.run([&](size_t i) {
      uint64_t folded = 0;
      for (const std::span<const std::byte> area : memory) {
        const Slice part = slice_of(area.size() / kLine * kLine, kLine, i, threads);
        folded ^= read_all(area.data() + part.begin, part.end - part.begin, pattern);
      }
      sink ^= folded;
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double best = 0.0;
  for (size_t r = 0; r < repeats; ++r) {
    for (const Pattern& pattern : kPatterns) {
      best = std::max(best, static_cast<double>(bytes) / seconds(pattern));
    }
  }
  return best;
}

}  // namespace rotor::cli
