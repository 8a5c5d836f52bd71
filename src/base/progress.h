// SPDX-License-Identifier: Apache-2.0
// How long work reports its progress and is cancelled. The library only calls; programs draw.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

namespace rotor {

// Called now and then, from the thread that does the work, with done <= total; `what` is a short
// phrase such as "loading". Must be quick.
using ProgressCallback = std::function<void(std::string_view what, uint64_t done, uint64_t total)>;

// Set by any thread (or a signal handler) to ask running work to stop.
class CancelFlag {
 public:
  void cancel() { flag_.store(true, std::memory_order_relaxed); }
  void reset() { flag_.store(false, std::memory_order_relaxed); }
  bool cancelled() const { return flag_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> flag_{false};
};

}  // namespace rotor
