// SPDX-License-Identifier: Apache-2.0
// GenerationRun: what the generation loops of one request share.
#pragma once

#include <rotor/generation.h>

#include <chrono>
#include <cstddef>

#include "base/progress.h"
#include "text/tokenizer.h"

namespace rotor {

inline double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Everything outlives the run. The request was validated.
struct GenerationRun {
  const GenerationRequest& request;
  size_t vocab;                        // logits of a row
  size_t context;                      // most positions of prompt and answer together
  const Tokenizer* tokenizer;          // null: tokens without text
  const GenerationCallback& on_event;  // may be empty
  const CancelFlag* cancel;            // may be null
  double (*now)() = steady_seconds;    // the clock that passes are timed by

  // Most tokens an answer may have.
  size_t max_answer() const {
    const size_t room = context - request.prompt.size();
    return room < request.max_new_tokens ? room : request.max_new_tokens;
  }
  bool ends_generation(TokenId token) const;
  void emit(const GenerationEvent& event) const {
    if (on_event) {
      on_event(event);
    }
  }
};

}  // namespace rotor
