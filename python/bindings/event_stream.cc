// SPDX-License-Identifier: Apache-2.0
#include "event_stream.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "errors.h"

namespace rotor::python {

struct EventStream::State {
  std::shared_ptr<SharedModel> model;
  GenerationRequest request;
  Ticket ticket;
  std::mutex mutex = {};
  std::condition_variable changed = {};
  // Under the mutex:
  std::deque<Event> events = {};
  std::optional<GenerationResult> result = std::nullopt;
  Status status = {};
  bool ended = false;

  void add(const GenerationEvent& event) {
    const std::lock_guard<std::mutex> lock(mutex);
    events.push_back({event.answer, event.token, std::string(event.text), event.log_probability,
                      event.finish_reason});
    changed.notify_one();
  }

  void write() {
    auto made = model->call<Result<GenerationResult>>(ticket, [this](LanguageModel& shared) {
      return shared.generate(request, [this](const GenerationEvent& event) { add(event); });
    });
    const std::lock_guard<std::mutex> lock(mutex);
    status = made.status();
    if (made.ok()) {
      result = *std::move(made);
    }
    ended = true;
    changed.notify_one();
  }
};

EventStream::EventStream(std::shared_ptr<SharedModel> model, GenerationRequest request)
    : state_(new State{std::move(model), std::move(request), {}}),
      thread_([state = state_] { state->write(); }) {}

EventStream::~EventStream() { close(); }

std::optional<EventStream::Event> EventStream::next() {
  State& state = *state_;
  wait_interruptibly(
      [&](std::chrono::milliseconds patience) {
        std::unique_lock<std::mutex> lock(state.mutex);
        return state.changed.wait_for(lock, patience,
                                      [&] { return state.ended || !state.events.empty(); });
      },
      [&] { return state.model->withdraw(state.ticket); });
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (state.events.empty()) {
    check(std::exchange(state.status, Status()));
    return std::nullopt;
  }
  Event event = std::move(state.events.front());
  state.events.pop_front();
  return event;
}

void EventStream::close() {
  if (!thread_.joinable()) {
    return;
  }
  State& state = *state_;
  const Waiters::Scope waiting;
  const nanobind::gil_scoped_release released;
  std::unique_lock<std::mutex> lock(state.mutex);
  while (!state.ended) {
    if (state.model->withdraw(state.ticket)) {
      thread_.detach();  // it waits for its turn and will find that it is not wanted
      return;
    }
    state.changed.wait_for(lock, std::chrono::milliseconds(1));
  }
  lock.unlock();
  thread_.join();
  state.events.clear();
}

const GenerationResult* EventStream::result() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->result ? &*state_->result : nullptr;
}

}  // namespace rotor::python
