// SPDX-License-Identifier: Apache-2.0
#include "shared_pool.h"

#include <unistd.h>

#include <atomic>
#include <string>

#include "device/cpu/cpu_executor.h"

namespace rotor::python {

// The threads of a team did not follow into a forked process, and its mutex may be held by one of
// them: the memory of the old one is left alone.
SharedPool& SharedPool::of_this_process() {
  static std::atomic<SharedPool*> current{nullptr};
  SharedPool* found = current.load();
  while (found == nullptr || found->process_ != getpid()) {
    auto made = std::unique_ptr<SharedPool>(new SharedPool(getpid()));
    if (current.compare_exchange_strong(found, made.get())) {
      return *made.release();
    }
  }
  return *found;
}

Status SharedPool::run(size_t threads, bool alone, const std::function<void(ThreadPool&)>& work) {
  constexpr size_t kMostThreads = 1024;
  const size_t wanted = threads != 0 ? threads : default_thread_count();
  if (wanted > kMostThreads) {
    return invalid_argument("threads: at most " + std::to_string(kMostThreads) + ", got " +
                            std::to_string(wanted));
  }
  if (alone || wanted == 1) {
    ThreadPool own(1);
    work(own);
    return {};
  }
  SharedPool& shared = of_this_process();
  const std::lock_guard<std::mutex> lock(shared.mutex_);
  if (shared.pool_ == nullptr || shared.pool_->size() != wanted) {
    shared.pool_.reset();
    auto pool = std::make_unique<ThreadPool>(wanted);
    ROTOR_TRY(check_threads(*pool, wanted));
    shared.pool_ = std::move(pool);
  }
  work(*shared.pool_);
  return {};
}

}  // namespace rotor::python
