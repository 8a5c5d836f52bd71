// SPDX-License-Identifier: Apache-2.0
// The team of threads that products outside of a model share. Nothing here touches Python.
#pragma once

#include <rotor/status.h>
#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "base/thread_pool.h"

namespace rotor::python {

// One team per process, started when it is first asked for and kept: the products of a decoding step
// follow each other within microseconds. Never destroyed; a forked process has one of its own.
class SharedPool {
 public:
  // Calls work(pool) with a team of `threads` (0: default_thread_count()), one caller after the other;
  // or, `alone`, with the caller's own thread, which waits for nobody, as for one thread.
  // kInvalidArgument for more than 1024 threads, kOutOfMemory when the system does not start them.
  static Status run(size_t threads, bool alone, const std::function<void(ThreadPool&)>& work);

 private:
  explicit SharedPool(pid_t process) : process_(process) {}
  static SharedPool& of_this_process();

  const pid_t process_;
  std::mutex mutex_;
  std::unique_ptr<ThreadPool> pool_;  // of the number of threads last asked for
};

}  // namespace rotor::python
