// SPDX-License-Identifier: Apache-2.0
// A model that several Python threads may use, and calls that Ctrl-C ends.
#pragma once

#include <nanobind/nanobind.h>
#include <rotor/language_model.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace rotor::python {

// Python threads that wait in this module without the interpreter lock. At the interpreter's exit none
// may be left: taking the lock then ends the thread, and with it, here, the process.
class Waiters {
 public:
  class Scope {
   public:
    Scope() { ++count_; }
    ~Scope() { --count_; }
  };
  static bool any() { return count_ != 0; }

 private:
  static inline std::atomic<int> count_{0};
};

// Waits without the interpreter lock until `ready(kPatience)`, which waits at most so long, is true. In
// between it calls `between()`, in the end once more, and asks whether a signal handler raised. From an
// exception of either on `give_up()` is called each time; the exception is thrown when that or `ready` is
// true. The caller holds the lock.
template <typename Ready, typename GiveUp, typename Between>
void wait_interruptibly(const Ready& ready, const GiveUp& give_up, const Between& between) {
  constexpr std::chrono::milliseconds kPatience{50};
  const Waiters::Scope waiting;
  bool interrupted = false;
  const auto raised = [&](bool done) {
    try {
      between();
    } catch (nanobind::python_error& error) {
      error.restore();
      return true;
    }
    return !done && PyErr_CheckSignals() != 0;
  };
  for (bool done = false; !done;) {
    {
      const nanobind::gil_scoped_release released;
      done = ready(kPatience);
    }
    interrupted = interrupted || raised(done);
    done = done || (interrupted && give_up());
  }
  if (interrupted) {
    throw nanobind::python_error();
  }
}

template <typename Ready, typename GiveUp>
void wait_interruptibly(const Ready& ready, const GiveUp& give_up) {
  wait_interruptibly(ready, give_up, [] {});
}

// Runs `work`, which throws nothing, in a thread of its own while this one waits interruptibly;
// `cancel` asks it to end, `between` is called now and then.
template <typename Output, typename Work, typename Cancel, typename Between>
Output run_interruptibly(const Work& work, const Cancel& cancel, const Between& between) {
  std::optional<Output> output;
  std::mutex mutex;
  std::condition_variable ended;
  std::jthread thread([&] {
    Output made = work();
    const std::lock_guard<std::mutex> lock(mutex);
    output.emplace(std::move(made));
    ended.notify_one();
  });
  wait_interruptibly(
      [&](std::chrono::milliseconds patience) {
        std::unique_lock<std::mutex> lock(mutex);
        return ended.wait_for(lock, patience, [&] { return output.has_value(); });
      },
      [&] {
        cancel();
        return false;
      },
      between);
  return *std::move(output);
}

template <typename Output, typename Work, typename Cancel>
Output run_interruptibly(const Work& work, const Cancel& cancel) {
  return run_interruptibly<Output>(work, cancel, [] {});
}

// Whether a call is still wanted, and whether it runs.
struct Ticket {
  std::atomic<bool> wanted{true};
  std::atomic<bool> begun{false};
};

// Calls on one model run one after the other, whatever threads they come from. Constant calls (sizes,
// tokenizer, chat template) go to about() and wait for nothing.
class SharedModel {
 public:
  explicit SharedModel(LanguageModel model);
  ~SharedModel();
  SharedModel(const SharedModel&) = delete;
  SharedModel& operator=(const SharedModel&) = delete;

  const LanguageModel& about() const { return *model_; }
  // Ends the call that runs.
  void cancel() { model_->cancel(); }

  // Waits for its turn, then works, unless that is no longer wanted. From any thread, without the
  // interpreter lock.
  template <typename Output, typename Work>
  Output call(Ticket& ticket, const Work& work) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ticket.begun = true;
    if (!ticket.wanted || shutting_down()) {
      return Status(Code::kCancelled, "cancelled before it began");
    }
    return work(*model_);
  }

  // Says that a call is not wanted. True when it has not begun and so never will; else it was asked to
  // end, which it may have missed if it is just beginning: ask again until it has ended.
  bool withdraw(Ticket& ticket) {
    ticket.wanted = false;
    if (ticket.begun) {
      cancel();
    }
    return !ticket.begun;
  }

  // RuntimeError in a process forked since, where the model's threads did not follow, and in a thread
  // that processes the logits of a generation which has the model: that would wait for itself.
  void check_usable() const;

  // This thread processes the logits of a generation until the second call. Under the interpreter lock.
  void begin_processing(const void* generation) { processors_[generation] = std::this_thread::get_id(); }
  void end_processing(const void* generation) { processors_.erase(generation); }

  // CancelledError once shut_down() has begun. The caller holds the interpreter lock, and a
  // Waiters::Scope if it lets go of it.
  static void check_running();

  // Ends all calls on all models, waits for them and for the Python threads that wait for them, and
  // refuses new ones: at the interpreter's exit.
  static void shut_down();

  static bool shutting_down();

 private:
  std::unique_ptr<LanguageModel> model_;
  std::mutex mutex_;
  pid_t process_;
  std::map<const void*, std::thread::id> processors_;
};

}  // namespace rotor::python
