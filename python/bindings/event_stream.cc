// SPDX-License-Identifier: Apache-2.0
#include "event_stream.h"

#include <nanobind/ndarray.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "arrays.h"
#include "errors.h"

namespace nb = nanobind;

namespace rotor::python {
namespace {

// Logits that wait for the processor, with the writing thread that holds them.
struct WaitingRow {
  std::span<const TokenId> tokens;
  std::span<float> logits;
};

}  // namespace

struct EventStream::State {
  std::shared_ptr<SharedModel> model;
  GenerationRequest request;
  Ticket ticket;
  std::mutex mutex = {};
  std::condition_variable changed = {};    // for the iterator
  std::condition_variable processed = {};  // for the writing thread
  // Under the mutex:
  std::deque<Event> events = {};
  std::optional<GenerationResult> result = std::nullopt;
  Status status = {};
  bool ended = false;
  bool closed = false;
  std::optional<WaitingRow> row = std::nullopt;

  // Has the iterator change a row, in its own time. kCancelled when it will not.
  Status wait_for_processor(const WaitingRow& waiting) {
    std::unique_lock<std::mutex> lock(mutex);
    row = waiting;
    changed.notify_one();
    while (row && !closed && ticket.wanted && !SharedModel::shutting_down()) {
      processed.wait_for(lock, std::chrono::milliseconds(50));
    }
    const bool left = std::exchange(row, std::nullopt).has_value();
    return left ? Status(Code::kCancelled, "cancelled while the logits were being processed") : Status();
  }

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

EventStream::EventStream(std::shared_ptr<SharedModel> model, GenerationRequest request,
                         nb::object processor)
    : state_(new State{std::move(model), std::move(request), {}}), processor_(std::move(processor)) {
  if (!processor_.is_none()) {
    state_->request.logits_processor = [state = state_.get()](std::span<const TokenId> tokens,
                                                              std::span<float> logits) {
      return state->wait_for_processor({tokens, logits});
    };
  }
  thread_ = std::thread([state = state_] { state->write(); });
}

EventStream::~EventStream() { close(); }

std::optional<EventStream::Event> EventStream::next() {
  State& state = *state_;
  if (!processor_.is_none()) {
    state.model->begin_processing(this);
  }
  const auto has_news = [&] { return state.ended || state.row || !state.events.empty(); };
  for (bool waits = true; waits;) {
    wait_interruptibly(
        [&](std::chrono::milliseconds patience) {
          std::unique_lock<std::mutex> lock(state.mutex);
          return state.changed.wait_for(lock, patience, has_news);
        },
        [&] { return state.model->withdraw(state.ticket); });
    std::unique_lock<std::mutex> lock(state.mutex);
    waits = state.events.empty() && state.row.has_value();
    lock.unlock();
    if (waits) {
      process();
    }
  }
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (state.events.empty()) {
    state.model->end_processing(this);
    check(std::exchange(state.status, Status()));
    return std::nullopt;
  }
  Event event = std::move(state.events.front());
  state.events.pop_front();
  return event;
}

// Runs the processor on the row that waits. The writing thread leaves its memory alone until `row` is
// reset or the stream is closed, which both happen in this thread; at the interpreter's exit it may go
// on, so the row is looked at again under the mutex before it is written.
void EventStream::process() {
  State& state = *state_;
  std::vector<TokenId> tokens;
  std::vector<float> logits;
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    if (!state.row) {
      return;
    }
    tokens.assign(state.row->tokens.begin(), state.row->tokens.end());
    logits.assign(state.row->logits.begin(), state.row->logits.end());
  }
  const size_t count = tokens.size();
  const size_t vocabulary = logits.size();
  auto row = array_of<float, 1>(std::move(logits), {vocabulary});
  const float* changed = row.data();
  const nb::object kept = nb::cast(row);
  processor_(array_of<TokenId, 1>(std::move(tokens), {count}), kept);
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (state.row) {
    std::copy_n(changed, vocabulary, state.row->logits.begin());
    state.row.reset();
    state.processed.notify_one();
  }
}

void EventStream::close() {
  if (!thread_.joinable()) {
    return;
  }
  State& state = *state_;
  state.model->end_processing(this);
  {
    const std::lock_guard<std::mutex> lock(state.mutex);
    state.closed = true;
    state.processed.notify_one();
  }
  const Waiters::Scope waiting;
  const nb::gil_scoped_release released;
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
