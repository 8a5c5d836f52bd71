// SPDX-License-Identifier: Apache-2.0
// Generation as a Python iterator: a thread of its own writes, the iterator takes. Where Python code
// changes the logits, the writing thread waits until the iterator has run it.
#pragma once

#include <nanobind/nanobind.h>
#include <rotor/generation.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "shared_model.h"

namespace rotor::python {

class EventStream {
 public:
  struct Event {
    size_t answer;
    TokenId token;  // kNoToken when the answer ends without another token
    std::string text;
    double log_probability;
    FinishReason finish_reason;
  };

  // Starts. The writing thread never touches Python. `processor`: None, or what is called with
  // (tokens, logits), arrays of its own, for each token that is drawn; what it raises ends the
  // generation and comes out of next().
  EventStream(std::shared_ptr<SharedModel> model, GenerationRequest request,
              nanobind::object processor);
  // As close().
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // The next event; nothing after the last. StatusError when the generation failed. Waits
  // interruptibly; an interrupt ends the generation. The caller holds the interpreter lock, as for all
  // of these.
  std::optional<Event> next();

  // Ends the generation and drops the events that are there.
  void close();

  // Null before the last event.
  const GenerationResult* result() const;

 private:
  struct State;
  void process();
  std::shared_ptr<State> state_;  // also of the thread, which may outlive this while it waits its turn
  std::thread thread_;
  nanobind::object processor_;
};

}  // namespace rotor::python
