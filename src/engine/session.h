// SPDX-License-Identifier: Apache-2.0
// Session: one conversation on an executor. It keeps the keys and values of what it computed, so
// that the next turn, or another answer to the same prompt, starts from the longest common
// beginning.
#pragma once

#include <rotor/generation.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/generation_run.h"
#include "engine/stepper.h"
#include "text/tokenizer.h"

namespace rotor {

struct SessionOptions {
  size_t vocab = 0;    // of the model
  size_t context = 0;  // most positions of prompt and answer together; the pool must have the pages
  // Turns tokens into text; null: answers have tokens only, and stop strings are refused.
  std::shared_ptr<const Tokenizer> tokenizer;
};

// Used by the thread that drives the executor. Several sessions may share an executor in turns.
class Session {
 public:
  // REQUIRES: the executor outlives the session.
  Session(Executor& executor, SessionOptions options);

  // Answers request.prompt, which is the whole conversation: only what differs from the cached
  // tokens is computed, or all of it when the adapters differ. The same prompt again gives another
  // answer to it if the seed differs, the same one otherwise. Afterwards the prompt and the first
  // answer are cached, but for its last token (beam search: the prompt alone).
  //
  // Errors: of validate(); kOutOfPages; kNotFinite; of the executor. What was computed before stays
  // cached. Cancellation is no error: answers end with kCancelled and what they have.
  Result<GenerationResult> generate(const GenerationRequest& request,
                                    const GenerationCallback& on_event = {},
                                    const CancelFlag* cancel = nullptr);

  // The tokens whose keys and values are cached.
  const std::vector<TokenId>& cached_tokens() const { return tokens_; }
  // Forgets the cached tokens from `length` on; 0 gives all pages back to the pool.
  void truncate(size_t length);

 private:
  Status answer(const GenerationRequest& request, const GenerationCallback& on_event,
                const CancelFlag* cancel, GenerationResult& result);
  Result<RowLogits> prefill(const GenerationRun& run, GenerationStats& stats);

  void use_lora(const GenerationRequest& request);

  SessionOptions options_;
  KvPool& pool_;
  Stepper stepper_;
  KvSequence cache_;
  std::vector<TokenId> tokens_;  // as many as cache_ has positions
};

}  // namespace rotor
