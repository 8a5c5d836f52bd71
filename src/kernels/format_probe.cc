// SPDX-License-Identifier: Apache-2.0
#include "kernels/format_probe.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/buffer.h"

namespace rotor {
namespace {

// The widest input of the 2B-4T shape but one. 90 MB in i2, 72 MB in fold243: beyond most caches.
constexpr size_t kCols = 2560;
constexpr size_t kBlocks = 8832;
static_assert(kProbeWeights == double{kCols} * kBlocks * kTileRows);
constexpr size_t kVectors = 64;
constexpr size_t kManyBlocks = kBlocks / kVectors;  // times kVectors: as much work as all with one
constexpr size_t kRounds = 3;
constexpr double kAsGood = 1.1;
constexpr uint8_t kWeightByte = 0x55;  // zeros in i2, a valid byte in the others

class Probe {
 public:
  Probe(const KernelTable& kernels, ThreadPool& pool) : kernels_(kernels), pool_(pool) {}

  Status allocate() {
    ROTOR_ASSIGN(weights_, Buffer::allocate(kBlocks * row_block_bytes(TernaryFormat::kI2, kCols)));
    ROTOR_ASSIGN(x_, Buffer::allocate(kVectors * kStride));
    ROTOR_ASSIGN(out_, Buffer::allocate(kBlocks * kTileRows * sizeof(int32_t)));
    std::memset(x_.data(), 1, x_.size());
    x_sum_.assign(kVectors, static_cast<int32_t>(kCols));
    pool_.run([&](size_t thread) {  // who reads a part touches it first
      const Slice part = slice_of(weights_.size(), kTileBytes, thread, pool_.size());
      std::memset(weights_.data() + part.begin, kWeightByte, part.end - part.begin);
    });
    return {};
  }

  // Each as the best of some rounds.
  void time(FormatTime& best) {
    const double one = seconds([&](size_t thread) { multiply(best.format, thread, kBlocks, 1); });
    const double many =
        seconds([&](size_t thread) { multiply(best.format, thread, kManyBlocks, kVectors); });
    best.one = best.one == 0 ? one : std::min(best.one, one);
    best.many = best.many == 0 ? many : std::min(best.many, many);
  }

 private:
  static constexpr size_t kStride = kCols + 64;  // an odd number of cache lines, as in Workspace

  template <typename Work>
  double seconds(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    pool_.run(work);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  // This thread's share of the first `blocks` row blocks.
  void multiply(TernaryFormat format, size_t thread, size_t blocks, size_t vectors) {
    const Slice mine = slice_of(blocks, 1, thread, pool_.size());
    TernaryMatmulArgs args{};
    args.row_block_stride = row_block_bytes(format, kCols);
    args.weights = weights_.as<uint8_t>().data() + mine.begin * args.row_block_stride;
    args.row_blocks = mine.end - mine.begin;
    args.tile_end = tiles_per_row_block(format, kCols);
    args.x = x_.as<int8_t>().data();
    args.x_stride = kStride;
    args.x_sum = x_sum_.data();
    args.batch = vectors;
    args.out = out_.as<int32_t>().data() + mine.begin * kTileRows * vectors;
    args.out_stride = args.row_blocks * kTileRows;
    args.ahead = kernels_.weights_ahead;
    if (args.row_blocks > 0) {
      kernels_.ternary_matmul[static_cast<size_t>(format)](args);
    }
  }

  const KernelTable& kernels_;
  ThreadPool& pool_;
  Buffer weights_;
  Buffer x_;
  Buffer out_;
  std::vector<int32_t> x_sum_;
};

}  // namespace

std::vector<TernaryFormat> formats_with_kernels(const KernelTable& kernels) {
  const KernelTable& scalar = kernel_table(IsaLevel::kScalar);
  std::vector<TernaryFormat> formats;
  for (size_t i = 0; i < kTernaryFormats; ++i) {
    if (kernels.ternary_matmul[i] != scalar.ternary_matmul[i]) {
      formats.push_back(static_cast<TernaryFormat>(i));
    }
  }
  return formats;
}

Result<std::vector<FormatTime>> time_formats(const KernelTable& kernels, ThreadPool& pool) {
  std::vector<FormatTime> times;
  for (const TernaryFormat format : formats_with_kernels(kernels)) {
    times.push_back({format});
  }
  Probe probe(kernels, pool);
  ROTOR_TRY(probe.allocate());
  for (size_t round = 0; round < kRounds; ++round) {  // in turns: a disturbance meets all of them
    for (FormatTime& time : times) {
      probe.time(time);
    }
  }
  return times;
}

TernaryFormat fastest_format(std::span<const FormatTime> times) {
  const auto cost = [](const FormatTime& time) { return time.one + 2 * time.many; };
  double least = INFINITY;
  for (const FormatTime& time : times) {
    least = std::min(least, cost(time));
  }
  const FormatTime* best = nullptr;
  for (const FormatTime& time : times) {
    if (cost(time) <= kAsGood * least && (best == nullptr || time.one < best->one)) {
      best = &time;
    }
  }
  return best == nullptr ? TernaryFormat::kI2 : best->format;
}

}  // namespace rotor
