// SPDX-License-Identifier: Apache-2.0
// ThreadPool: a fixed team of workers that spin briefly, then park. One per executor, passed by
// reference; work is fork-join, with a barrier inside for verbs that have two phases.
#pragma once

#include <cstddef>
#include <memory>

namespace rotor {

class ThreadPool {
 public:
  // A team of `threads` >= 1, the calling thread counted in. Where the system refuses to start so
  // many, the team is smaller: size() tells.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t size() const;

  // Runs body(thread_index) once on each member and returns when all are done. Not reentrant; one
  // caller at a time. `body` must not throw. Members work in the default floating-point environment
  // (docs/numerics.md); the caller gets its own back. Allocates nothing.
  template <typename Body>
  void run(const Body& body) {
    run_work([](const void* work, size_t index) { (*static_cast<const Body*>(work))(index); },
             &body);
  }

  // Inside run(): waits until every member of the team has called it.
  void barrier();

 private:
  struct Team;
  using Call = void (*)(const void* body, size_t index);

  void run_work(Call call, const void* body);

  std::unique_ptr<Team> team_;
};

// Half-open range [begin, end) of `count` items, in units of `grain`, that member `index` of
// `members` takes: contiguous, in order, and the same on every call.
struct Slice {
  size_t begin;
  size_t end;
};
Slice slice_of(size_t count, size_t grain, size_t index, size_t members);

// Threads a program should use by default: what the affinity mask and the control-group quota allow.
size_t default_thread_count();

}  // namespace rotor
