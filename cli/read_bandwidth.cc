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

// Reads every line once, in kStreams parts side by side, each with a prefetch kAhead bytes further (0:
// none); the result only keeps the loads from being removed.
template <size_t kStreams, size_t kAhead>
uint64_t read_all(const std::byte* data, size_t bytes) {
  uint64_t sums[8] = {};
  const auto read_line = [&](const std::byte* line) {
    if constexpr (kAhead != 0) {
      __builtin_prefetch(line + kAhead);  // past the end: no fault, no effect
    }
    uint64_t words[8];
    std::memcpy(words, line, kLine);
    for (size_t i = 0; i < 8; ++i) {
      sums[i] ^= words[i];
    }
  };
  const size_t stream = bytes / kStreams / kLine * kLine;
  for (size_t at = 0; at < stream; at += kLine) {
    for (size_t s = 0; s < kStreams; ++s) {
      read_line(data + s * stream + at);
    }
  }
  for (size_t at = stream * kStreams; at < bytes; at += kLine) {
    read_line(data + at);
  }
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3] ^ sums[4] ^ sums[5] ^ sums[6] ^ sums[7];
}

// Which way is the fastest depends on the machine and on how many threads read.
using Read = uint64_t (*)(const std::byte* data, size_t bytes);
constexpr Read kWays[] = {read_all<1, 0>,    read_all<1, 512>,  read_all<1, 4096>, read_all<2, 512>,
                          read_all<2, 1024>, read_all<2, 4096>, read_all<4, 512>,  read_all<8, 0>};

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
  const auto seconds = [&](Read read) {
    const auto start = std::chrono::steady_clock::now();
    pool.run([&](size_t i) {
      uint64_t folded = 0;
      for (const std::span<const std::byte> area : memory) {
        const Slice part = slice_of(area.size() / kLine * kLine, kLine, i, threads);
        folded ^= read(area.data() + part.begin, part.end - part.begin);
      }
      sink ^= folded;
    });
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double best = 0.0;
  for (size_t r = 0; r < repeats; ++r) {
    for (const Read read : kWays) {
      best = std::max(best, static_cast<double>(bytes) / seconds(read));
    }
  }
  return best;
}

}  // namespace rotor::cli
