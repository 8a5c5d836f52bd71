// SPDX-License-Identifier: Apache-2.0
// The team. A member that has nothing to do spins for about 50 microseconds, the length of a gap
// between two verbs of a decoding step, and then parks in the kernel. A team larger than the
// processors it may use never spins: whoever spins keeps the member it waits for from running.
#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

#include "base/control_group.h"
#include "base/cpu_features.h"

namespace rotor {
namespace {

constexpr size_t kCacheLine = 64;
constexpr std::chrono::microseconds kSpinTime{50};

// Processors the affinity mask allows.
size_t affinity_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return static_cast<size_t>(std::max(1, CPU_COUNT(&set)));
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

// Waits until `word` no longer holds `old`.
void wait_for_change(const std::atomic<uint32_t>& word, uint32_t old, bool may_spin) {
  if (may_spin) {
    const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
    do {
      for (int i = 0; i < 64; ++i) {
        if (word.load(std::memory_order_acquire) != old) {
          return;
        }
        spin_pause();
      }
    } while (std::chrono::steady_clock::now() < deadline);
  }
  while (word.load(std::memory_order_acquire) == old) {
    word.wait(old, std::memory_order_acquire);
  }
}

// Runs a member's work under round-to-nearest with subnormals kept, whatever the host program set,
// as docs/numerics.md demands.
class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatEnvironment() { std::fesetenv(&saved_); }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
  std::fenv_t saved_;
};

}  // namespace

// Each counter has its own cache line. `work` and `turn` count up and wrap; only inequality with
// the last value seen matters. Before a counter moves, all that it guards has been written.
struct ThreadPool::Team {
  explicit Team(bool spin) : may_spin(spin) {}

  const bool may_spin;
  size_t size = 1;                                      // guarded by work
  bool stopping = false;                                // guarded by work
  Call call = nullptr;                                  // guarded by work
  const void* body = nullptr;                           // guarded by work; the caller's
  alignas(kCacheLine) std::atomic<uint32_t> work{0};    // calls of run()
  alignas(kCacheLine) std::atomic<uint32_t> arrived{0}; // members at the barrier
  alignas(kCacheLine) std::atomic<uint32_t> turn{0};    // times the barrier has opened
  std::vector<std::thread> workers;                     // members 1 .. size - 1

  void barrier() {
    const uint32_t seen = turn.load(std::memory_order_relaxed);
    if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 < size) {
      wait_for_change(turn, seen, may_spin);
      return;
    }
    arrived.store(0, std::memory_order_relaxed);
    turn.store(seen + 1, std::memory_order_release);
    turn.notify_all();
  }

  void start_work() {
    work.fetch_add(1, std::memory_order_release);
    work.notify_all();
  }

  void serve(size_t index) {
    const DefaultFloatEnvironment environment;
    for (uint32_t seen = 0;; ++seen) {
      wait_for_change(work, seen, may_spin);
      if (stopping) {
        return;
      }
      call(body, index);
      barrier();
    }
  }
};

ThreadPool::ThreadPool(size_t threads)
    : team_(std::make_unique<Team>(threads <= affinity_count())) {
  team_->workers.reserve(threads);
  try {
    while (team_->size < threads) {
      team_->workers.emplace_back([team = team_.get(), index = team_->size] { team->serve(index); });
      ++team_->size;
    }
  } catch (const std::exception&) {  // no memory, or the limit on tasks is reached
  }
}

ThreadPool::~ThreadPool() {
  team_->stopping = true;
  team_->start_work();
  for (std::thread& worker : team_->workers) {
    worker.join();
  }
}

size_t ThreadPool::size() const { return team_->size; }

void ThreadPool::run_work(Call call, const void* body) {
  const DefaultFloatEnvironment environment;
  if (team_->size == 1) {
    call(body, 0);
    return;
  }
  team_->call = call;
  team_->body = body;
  team_->start_work();
  call(body, 0);
  team_->barrier();
}

void ThreadPool::barrier() {
  if (team_->size > 1) {
    team_->barrier();
  }
}

Slice slice_of(size_t count, size_t grain, size_t index, size_t members) {
  const size_t units = count / grain + (count % grain != 0 ? 1 : 0);
  const size_t share = units / members;
  const size_t longer = units % members;  // the first `longer` members take one unit more
  const size_t begin = share * index + std::min(index, longer);
  const size_t end = begin + share + (index < longer ? 1 : 0);
  return {std::min(begin * grain, count), std::min(end * grain, count)};
}

size_t default_thread_count() {
  const size_t allowed = affinity_count();
  return std::clamp<size_t>(control_group_cpus("/").value_or(allowed), 1, allowed);
}

}  // namespace rotor
