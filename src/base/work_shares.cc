// SPDX-License-Identifier: Apache-2.0
// A share is one word, so units are taken by one exchange. What the units compute is published by the
// barrier behind them, not by the word.
#include "base/work_shares.h"

#include <algorithm>

namespace rotor {
namespace {

constexpr uint64_t kEndMask = 0xffffffffu;
constexpr unsigned kFirstShift = 32;

enum class From { kFront, kBack };

Slice take_from(std::atomic<uint64_t>& left, From side, size_t most) {
  uint64_t seen = left.load(std::memory_order_relaxed);
  for (;;) {
    const uint64_t first = seen >> kFirstShift;
    const uint64_t end = seen & kEndMask;
    if (first == end) {
      return {0, 0};
    }
    const bool front = side == From::kFront;
    const uint64_t part = front ? (end - first) * 7 / 8 : (end - first) / 2;
    const uint64_t count = std::clamp<uint64_t>(part, 1, most);
    const uint64_t rest = front ? (first + count) << kFirstShift | end
                                : first << kFirstShift | (end - count);
    if (left.compare_exchange_weak(seen, rest, std::memory_order_relaxed)) {
      return front ? Slice{first, first + count} : Slice{end - count, end};
    }
  }
}

}  // namespace

void WorkShares::start(size_t member, size_t units) {
  const Slice mine = slice_of(units, 1, member, shares_.size());
  shares_[member].left.store(uint64_t{mine.begin} << kFirstShift | mine.end,
                             std::memory_order_relaxed);
}

Slice WorkShares::take(size_t member, size_t most) {
  Slice taken = take_from(shares_[member].left, From::kFront, most);
  for (size_t i = 1; i < shares_.size() && taken.begin == taken.end; ++i) {
    taken = take_from(shares_[(member + i) % shares_.size()].left, From::kBack, most);
  }
  return taken;
}

}  // namespace rotor
