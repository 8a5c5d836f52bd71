// SPDX-License-Identifier: Apache-2.0
// Units of work divided over a team. Each member has a share of its own, consecutive units, and takes
// seven eighths of what is left of it at a time, from the front: few and long runs. A member that has
// finished takes half of what another has left, from the back, so nobody waits long for one that was a
// little slower.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/thread_pool.h"

namespace rotor {

class WorkShares {
 public:
  explicit WorkShares(size_t members) : shares_(members) {}

  // Gives `member` its share of units [0, units), units < 2^32. All members do so, with the same number,
  // and meet at a barrier before one of them takes a unit.
  void start(size_t member, size_t units);

  // Between one and `most` consecutive units that nobody has taken; empty when there are none left. Any
  // member, at any time.
  Slice take(size_t member, size_t most);

 private:
  struct alignas(64) Share {
    std::atomic<uint64_t> left{0};  // first << 32 | end
  };

  std::vector<Share> shares_;
};

}  // namespace rotor
